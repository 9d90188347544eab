cimport cython

from levante.http.clientexchange cimport ClientExchange, DialingLink
from levante.http.clock cimport now
from levante.http.h1 cimport Connection
from levante.http.heads cimport ResponseHead

cdef int _HEAD
cdef int _DATA
cdef int _END

cdef class DialedConnection(DialingLink):
    cdef object _read_timeout
    cdef bint _upgraded

    @cython.locals(exchange=ClientExchange)
    cpdef ClientExchange begin(self)
    cpdef bint is_reusable(self) except -1
    @cython.locals(moment=double, silent_until=double)
    cpdef watch_reading(self, ClientExchange exchange)
    @cython.locals(exchange=ClientExchange, h1=Connection)
    cpdef settle(self)
    @cython.locals(h1=Connection, event=int)
    cdef _advance(self, ClientExchange exchange)
    cdef _take_head(self, ClientExchange exchange, ResponseHead head)
    cdef _take_end(self, ClientExchange exchange)
    cdef _fail(self, ClientExchange exchange, object error)
    cdef _reading_changed(self)
    @cython.locals(exchange=ClientExchange)
    cdef _expired(self)
