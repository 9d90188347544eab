cimport cython

from levante.http.fieldnames cimport known_field
from levante.http.octets cimport ascii_text, find, is_token, line_text, piece, same, span, span_back, tokens

cdef unsigned char _BLANK
cdef unsigned char _VALUE

cdef unsigned char _CR
cdef unsigned char _COLON

cdef class Head:
    cdef public bytes raw
    cdef public Py_ssize_t fields
    cdef public object version
    cdef public Py_ssize_t length
    cdef public bint chunked
    cdef public int seen
    cdef public bint keep_alive
    cdef public str upgrade
    cdef object _headers
    cdef object _raw_headers
    cdef Py_ssize_t _colon
    cdef Py_ssize_t _start
    cdef Py_ssize_t _stop

    cpdef clear(self)

    @cython.locals(end=Py_ssize_t, line=Py_ssize_t, after=Py_ssize_t)
    cpdef object field(self, bytes name)

    @cython.locals(data=bytes, colon=Py_ssize_t, stop=Py_ssize_t, start=Py_ssize_t)
    cdef Py_ssize_t _walk(self, Py_ssize_t line, Py_ssize_t end) except -1

    @cython.locals(end=Py_ssize_t, line=Py_ssize_t, after=Py_ssize_t, pairs=list)
    cdef tuple _pairs(self)

    @cython.locals(end=Py_ssize_t, line=Py_ssize_t, after=Py_ssize_t, pairs=list)
    cdef list _texts(self)

cdef class RequestHead(Head):
    cdef public str method
    cdef public str target
    cdef public bytes expect

cdef class ResponseHead(Head):
    cdef public int status
    cdef public str reason
