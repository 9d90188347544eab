from levante.ws.frames cimport encode_frame, encode_head
from levante.ws.masks cimport new_key
from levante.ws.messages cimport MessageReader

cdef object _CLOSE_MESSAGE

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
    cpdef bytes frame(self, int opcode, bytes payload, int flags)
    cpdef bytes head(self, int opcode, object length, int flags)
    cdef _check_open(self)
