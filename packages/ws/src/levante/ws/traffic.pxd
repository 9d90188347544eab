cimport cython

from levante.ws.driver cimport WebSocketDriver
from levante.ws.protocol cimport WebSocketProtocol

cdef int _FIN
cdef int _TEXT
cdef int _BINARY
cdef object _TEXT_MESSAGE
cdef object _BINARY_MESSAGE
cdef Py_ssize_t _INLINE
cdef int _WAITS
cdef int _WRITTEN
cdef int _FULL

cdef class Traffic(WebSocketDriver):
    cdef readonly Py_ssize_t _fragment_size
    cdef object _receive_timeout
    cdef readonly bint _receiving
    cdef bint _closing
    cdef bint _told
    cdef int _receives_after_close
    cdef public set _sends

    cdef _next(self)
    cdef _arrived(self, object message)
    cdef _after_the_end(self)
    @cython.locals(state=int)
    cdef _begin_text(self, object data, object compress)
    @cython.locals(state=int)
    cdef bint _write_text(self, object data, object compress) except -1
    @cython.locals(state=int)
    cdef _begin(self, int opcode, bytes message, object compress)
    @cython.locals(state=int)
    cdef bint _write_now(self, int opcode, bytes message, object compress) except -1
    @cython.locals(engine=WebSocketProtocol, text=str)
    cdef int _put_ascii(self, object data) except -1
    @cython.locals(engine=WebSocketProtocol, size=Py_ssize_t, compressing=bint)
    cdef int _put(self, int opcode, bytes message, object compress) except -1
    cdef _gone(self)

@cython.locals(text=str)
cdef bytes _as_utf8(object data)

cdef bytes _as_bytes(object data)
