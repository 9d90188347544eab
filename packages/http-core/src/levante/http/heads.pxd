cimport cython

from levante.http.octets cimport is_token, same, span, span_back, tokens

cdef unsigned char _BLANK
cdef unsigned char _TOKEN
cdef unsigned char _VALUE

cdef class Head:
    cdef public bytes raw
    cdef public Py_ssize_t fields
    cdef public object version
    cdef public Py_ssize_t length
    cdef public bint chunked
    cdef public bint keep_alive
    cdef public str upgrade
    cdef object _headers
    cdef object _raw_headers

    cpdef clear(self)

    @cython.locals(data=bytes, end=Py_ssize_t, line=Py_ssize_t, colon=Py_ssize_t, stop=Py_ssize_t, start=Py_ssize_t)
    cpdef object field(self, bytes name)

    @cython.locals(data=bytes, end=Py_ssize_t, line=Py_ssize_t, colon=Py_ssize_t, stop=Py_ssize_t, start=Py_ssize_t, pairs=list)
    cdef tuple _pairs(self)

cdef class RequestHead(Head):
    cdef public str method
    cdef public str target
    cdef public bytes expect

cdef class ResponseHead(Head):
    cdef public int status
    cdef public str reason
