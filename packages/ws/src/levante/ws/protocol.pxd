cimport cython

from levante.ws.frames cimport encode_ascii, encode_frame
from levante.ws.masks cimport new_key
from levante.ws.messages cimport MessageReader

cdef int _CLOSE
cdef int _NOTHING

cdef class WebSocketProtocol:
    cdef readonly object role
    cdef readonly object deflate
    cdef readonly bint close_sent
    cdef readonly object close_received
    cdef readonly object error
    cdef readonly bint masking
    cdef object _deflater
    cdef MessageReader _reader

    cpdef receive_data(self, object data)
    cpdef bint is_readable(self) except -1
    cpdef next_event(self)
    @cython.locals(kind=int)
    cpdef int advance(self) except -1
    cpdef take(self)
    cpdef message(self)
    cpdef bytes frame(self, int opcode, bytes payload, int flags)
    cpdef bytes ascii_frame(self, str text)
    cdef _check_open(self)
