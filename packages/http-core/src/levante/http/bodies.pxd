cimport cython

from levante.http.headrules cimport refuse_name, refuse_value
from levante.http.octets cimport piece, span, span_back

cdef unsigned char _BLANK
cdef unsigned char _TOKEN
cdef unsigned char _VALUE
cdef int _DIGITS_LIMIT

cdef int _SIZE
cdef int _PADDING
cdef int _EXTENSION
cdef int _SIZE_LF
cdef int _CONTENT
cdef int _CONTENT_CR
cdef int _CONTENT_LF
cdef int _TRAILER

cdef class BodyDecoder:
    cdef public bytes data
    cdef public list chunk_ends
    cdef public bint done
    cdef public bint mended
    cdef public object trailers

    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1

cdef class LengthDecoder(BodyDecoder):
    cdef public Py_ssize_t remaining

    @cython.locals(stop=Py_ssize_t)
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1

cdef class CloseDecoder(BodyDecoder):
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1

cdef class ChunkedDecoder(BodyDecoder):
    cdef bint _lenient
    cdef Py_ssize_t _max_extensions
    cdef Py_ssize_t _max_trailers
    cdef Py_ssize_t _max_trailer_size
    cdef int _state
    cdef Py_ssize_t _size
    cdef int _digits
    cdef Py_ssize_t _extensions
    cdef bytearray _line
    cdef Py_ssize_t _trailer_size
    cdef list _fields
    cdef object _failure

    @cython.locals(at=Py_ssize_t, first=bytes, joined=bytearray, ends=list, size=Py_ssize_t, stop=Py_ssize_t)
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1

    @cython.locals(octet=int, stop=Py_ssize_t)
    cdef Py_ssize_t _between(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1

    cdef _line_end(self)

    @cython.locals(value=int)
    cdef bint _digit(self, int octet) except -1

    cdef _after_size(self, int octet)

    cdef _count_extensions(self, Py_ssize_t count)

    @cython.locals(stop=Py_ssize_t, newline=Py_ssize_t, after=Py_ssize_t)
    cdef Py_ssize_t _trailer(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1

    @cython.locals(end=Py_ssize_t, colon=Py_ssize_t, last=Py_ssize_t, first=Py_ssize_t)
    cdef _trailer_line(self, bytes line, bint complete)

    cdef _finish(self)
