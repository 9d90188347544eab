cimport cython

from levante.http.h1 cimport Connection
from levante.http.heads cimport RequestHead
from levante.http.links cimport Link

cdef Py_ssize_t _UNKNOWN_LENGTH
cdef Py_ssize_t _DRAINED_LIMIT
cdef Py_ssize_t _JOINED_LIMIT

cdef class _DateLine:
    cdef str line
    cdef double since
    cdef double until

cdef _DateLine _date

cdef class _AddedFields:
    cdef str date_line
    cdef str server_line
    cdef tuple fields

cdef _AddedFields _added

cdef object _time
cdef object _VERSION_11

@cython.locals(now=double)
cpdef str date_line()

cdef class Exchange:
    cdef object __weakref__
    cdef public RequestHead head
    cdef public object body
    cdef public Link connection
    cdef public object error
    cdef public bint keep_alive
    cdef public bint cancel_on_disconnect
    cdef public bint continue_due
    cdef public bint head_sent
    cdef public bint finished
    cdef public Py_ssize_t bytes_sent
    cdef public object status
    cdef public object running
    cdef Connection _h1
    cdef str _server_line
    cdef bytes _head_bytes
    cdef object _gone

    @cython.locals(expect=bytes)
    cpdef begin(self, Link connection, Connection h1, RequestHead head, object body, str server_line)
    cpdef bint head_pending(self) except -1
    cpdef note_gone(self)
    cpdef flush_head(self)
    @cython.locals(data=bytes)
    cpdef send_informational(self, int status, object headers=*)
    @cython.locals(data=bytes, tail=bytes)
    cpdef respond(self, int status, object reason, object headers, object body)
    cpdef reset(self)
    cdef _check_open(self)
    cdef _make_head(self, int status, object reason, object headers, Py_ssize_t length)
    @cython.locals(head=bytes)
    cdef _send(self, bytes data)
    @cython.locals(connection=Link)
    cdef _write(self, bytes data)
