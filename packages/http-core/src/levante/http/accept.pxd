cimport cython

from levante.http.exchange cimport Exchange
from levante.http.h1 cimport Connection
from levante.http.heads cimport RequestHead
from levante.http.lingering cimport LingeringLink

cdef int _NOTHING
cdef int _HEAD
cdef int _DATA
cdef int _END

cdef int _IDLE
cdef int _SERVING
cdef int _DRAINING
cdef int _LINGERING
cdef int _UPGRADED

cdef int _TURNS_LIMIT
cdef Py_ssize_t _DRAINED_LIMIT
cdef Py_ssize_t _UNPARSED_LIMIT
cdef bint _EAGER
cdef object _Task

cdef object _outcome(object task)

cdef class AcceptedConnection(LingeringLink):
    cdef public Exchange current
    cdef object _service
    cdef object _owner
    cdef object _logger
    cdef object _next
    cdef str _server_line
    cdef bint _tcp_keepalive
    cdef bint _cancel_on_disconnect
    cdef bint _busy
    cdef bint _head_begun
    cdef bint _retiring
    cdef double _head_timeout
    cdef double _body_timeout
    cdef double _keepalive_timeout

    cpdef bint is_idle(self) except -1
    @cython.locals(turns=int)
    cdef _advance(self)
    @cython.locals(event=int)
    cdef bint _step(self) except -1
    cdef _wait_for_peer(self)
    @cython.locals(exchange=Exchange, event=int)
    cdef _begin(self, RequestHead head)
    cdef bint _refuse(self, object error) except -1
    @cython.locals(exchange=Exchange)
    cdef _serve_error(self, object error)
    cdef _take_data(self)
    cdef _take_end(self)
    cdef _serve(self, Exchange exchange)
    @cython.locals(h1=Connection)
    cdef _settle(self, Exchange exchange)
    cdef _next_cycle(self)
    cdef _reading_changed(self)
    cdef _expired(self)
