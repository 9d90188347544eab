cimport cython

from levante.http.clock cimport now
from levante.http.exchange cimport Exchange
from levante.http.h1 cimport Connection
from levante.http.heads cimport RequestHead
from levante.http.pace cimport Pace
from levante.http.serving cimport ServingLink

cdef int _HEAD
cdef int _DATA
cdef int _END
cdef int _TURNS_LIMIT
cdef Py_ssize_t _UNPARSED_LIMIT
cdef object _EMPTY

cdef int _IDLE
cdef int _SERVING
cdef int _DRAINING
cdef int _LINGERING
cdef int _UPGRADED

cdef class AcceptedConnection(ServingLink):
    cdef object _next
    cdef Pace _pace
    cdef bint _tcp_keepalive
    cdef bint _cancel_on_disconnect
    cdef bint _head_begun
    cdef bint _yielded
    cdef double _head_timeout
    cdef double _body_timeout
    cdef double _body_grace
    cdef double _body_rate

    @cython.locals(turns=int, waits=bint)
    cdef _advance(self)
    cdef _go_on(self)
    @cython.locals(event=int)
    cdef bint _step(self) except -1
    cdef _wait_for_peer(self)
    @cython.locals(exchange=Exchange)
    cdef _begin(self, RequestHead head)
    @cython.locals(h1=Connection, event=int)
    cdef _begin_body(self, Exchange exchange)
    cdef bint _refuse(self, object error) except -1
    @cython.locals(exchange=Exchange)
    cdef _serve_error(self, object error)
    @cython.locals(h1=Connection)
    cdef _take_data(self)
    cdef _take_end(self)
    @cython.locals(exchange=Exchange, pace=Pace, patience=double, moment=double, left=double)
    cdef _reading_changed(self)
    @cython.locals(exchange=Exchange)
    cdef _expired(self)
