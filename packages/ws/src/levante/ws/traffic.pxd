cimport cython

from levante.ws.driver cimport WebSocketDriver
from levante.ws.protocol cimport WebSocketProtocol

cdef int _FIN
cdef int _TEXT
cdef int _BINARY
cdef object _TEXT_MESSAGE
cdef object _BINARY_MESSAGE
cdef Py_ssize_t _INLINE
cdef Py_ssize_t _JOINED
cdef int _WAITS
cdef int _WRITTEN
cdef int _FULL

cdef class Traffic(WebSocketDriver):
    cdef readonly Py_ssize_t _fragment_size
    cdef object _receive_timeout
    cdef readonly bint _receiving
    cdef bint _closing
    cdef int _receives_after_close
    cdef public set _sends

    cpdef begin_receiving(self)
    cpdef take(self)
    cpdef arrival(self, object timeout)
    cpdef end_receiving(self)
    cpdef receiving_failed(self)
    cdef _arrived(self, object message)
    cdef _after_the_end(self)
    cpdef bint is_sending(self) except -1
    cpdef bint offer_frame(self, bytes frame) except -1
    @cython.locals(state=int)
    cpdef begin(self, int opcode, bytes message, object compress)
    @cython.locals(state=int)
    cdef bint _write_now(self, int opcode, bytes message, object compress) except -1
    @cython.locals(engine=WebSocketProtocol, size=Py_ssize_t, compressing=bint)
    cdef int _put(self, int opcode, bytes message, object compress) except -1
    cdef _gone(self)

cdef bytes _as_bytes(object data)
