cimport cython

from levante.http.clock cimport now
from levante.http.h1 cimport Connection
from levante.http.heads cimport ResponseHead
from levante.http.links cimport Link
from levante.http.outgoing cimport PreparedRequest, prepare_request
from levante.http.streams cimport StreamReader

cdef Py_ssize_t _UNKNOWN_LENGTH
cdef Py_ssize_t _JOINED_LIMIT
cdef int _CONTINUE

cdef class ClientExchange:
    cdef object __weakref__
    cdef public DialingLink connection
    cdef public ResponseHead head
    cdef public StreamReader body
    cdef public tuple informational
    cdef public object read_timeout
    cdef public double expires
    cdef public bint started
    cdef public bint finished
    cdef public object error
    cdef Connection _h1
    cdef bytes _head_bytes
    cdef object _response
    cdef object _continue
    cdef list _callbacks

    cpdef begin(self, DialingLink connection, Connection h1, object read_timeout)
    cpdef request(self, object method, object target, object headers, object body=*, object version=*)
    @cython.locals(head=bytes, data=bytes, tail=bytes)
    cpdef send_prepared(self, PreparedRequest request, object body=*)
    cpdef answer(self)
    cpdef ResponseHead final_head(self)
    cpdef expire_in(self, object seconds)
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

cdef class DialingLink(Link):
    cdef public ClientExchange current

    cpdef watch_reading(self, ClientExchange exchange)
    cpdef settle(self)
