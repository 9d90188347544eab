cimport cython

from levante.http.h1 cimport Connection
from levante.http.heads cimport Head, ResponseHead
from levante.http.links cimport Link

cdef int _HEAD
cdef int _DATA
cdef int _END
cdef Py_ssize_t _UNKNOWN_LENGTH
cdef Py_ssize_t _JOINED_LIMIT
cdef int _CONTINUE

cdef class ClientExchange:
    cdef object __weakref__
    cdef public DialedConnection connection
    cdef public ResponseHead head
    cdef public object body
    cdef public list informational
    cdef public object read_timeout
    cdef public bint started
    cdef public bint finished
    cdef public object error
    cdef Connection _h1
    cdef bytes _head_bytes
    cdef object _response
    cdef object _continue
    cdef list _callbacks

    @cython.locals(head=bytes, data=bytes, tail=bytes)
    cpdef request(self, object method, object target, object headers, object body=*)
    cpdef bint done(self) except -1
    cpdef take_head(self, ResponseHead head)
    cpdef fail(self, object error)
    cpdef tell_done(self)
    cdef bint _h1_done(self) except -1
    cdef _continued(self, bint came)
    cdef _finished(self)
    cdef _check_connected(self)
    @cython.locals(head=bytes)
    cdef _send(self, bytes data)

cdef class DialedConnection(Link):
    cdef public ClientExchange current
    cdef object _read_timeout
    cdef bint _upgraded

    cpdef bint is_reusable(self) except -1
    cpdef watch_reading(self, ClientExchange exchange)
    @cython.locals(exchange=ClientExchange, h1=Connection)
    cpdef settle(self)
    @cython.locals(h1=Connection, event=int)
    cdef _advance(self, ClientExchange exchange)
    cdef _take_head(self, ClientExchange exchange, ResponseHead head)
    cdef _take_end(self, ClientExchange exchange)
    cdef _fail(self, ClientExchange exchange, object error)
    cdef _reading_changed(self)
    cdef _expired(self)
