cimport cython

from levante.http.exchange cimport Exchange
from levante.http.h1 cimport Connection
from levante.http.lingering cimport LingeringLink

cdef int _IDLE
cdef int _UPGRADED
cdef Py_ssize_t _DRAINED_LIMIT
cdef object _EMPTY
cdef object _Task

cdef class ServingLink(LingeringLink):
    cdef public Exchange current
    cdef object _service
    cdef dict _task_options
    cdef object _owner
    cdef object _logger
    cdef str _server_line
    cdef bint _busy
    cdef bint _retiring
    cdef Py_ssize_t _requests_left
    cdef double _keepalive_timeout

    cpdef bint is_idle(self) except -1
    cdef _serve(self, Exchange exchange)
    @cython.locals(exchange=Exchange)
    cdef _served(self, object task)
    @cython.locals(h1=Connection)
    cdef _settle(self, Exchange exchange)
    cdef _next_cycle(self)
    cdef _advance(self)

cdef object _outcome(object task)
