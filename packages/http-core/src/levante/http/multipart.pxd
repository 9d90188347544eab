cimport cython

from levante.http.octets cimport span, span_back

cdef unsigned char _BLANK
cdef unsigned char _TOKEN
cdef unsigned char _VALUE
cdef Py_ssize_t _MAX_PADDING

cdef int _PREAMBLE
cdef int _BOUNDARY_END
cdef int _HEAD
cdef int _HEAD_END
cdef int _CONTENT
cdef int _EPILOGUE

cdef class PartHead:
    cdef readonly object headers

cdef class PartData:
    cdef readonly bytes data

cdef class PartEnd:
    pass

cdef class MultipartEnd:
    pass

cdef PartEnd _PART_END
cdef MultipartEnd _END

cdef class MultipartDecoder:
    cdef readonly object failure
    cdef Py_ssize_t _max_parts
    cdef Py_ssize_t _max_headers
    cdef Py_ssize_t _max_line
    cdef bytes _boundary
    cdef bytes _delimiter
    cdef bytes _held
    cdef bytearray _line
    cdef list _fields
    cdef Py_ssize_t _parts
    cdef list _events
    cdef int _state

    @cython.locals(piece=bytes)
    cpdef list feed(self, data)

    cpdef feed_eof(self)

    cpdef bint is_finished(self) except -1

    @cython.locals(at=Py_ssize_t, end=Py_ssize_t)
    cdef _walk(self, bytes data)

    @cython.locals(found=Py_ssize_t)
    cdef Py_ssize_t _preamble(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1

    @cython.locals(found=Py_ssize_t, stop=Py_ssize_t)
    cdef Py_ssize_t _content(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1

    cdef _end_part(self)

    @cython.locals(found=Py_ssize_t)
    cdef Py_ssize_t _possible_start(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1

    @cython.locals(after=Py_ssize_t, follows=bytes)
    cdef Py_ssize_t _boundary_end(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1

    @cython.locals(newline=Py_ssize_t, stop=Py_ssize_t, size=Py_ssize_t, line=bytes)
    cdef Py_ssize_t _head(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1

    @cython.locals(colon=Py_ssize_t, first=Py_ssize_t, value=bytes)
    cdef _field(self, bytes data, Py_ssize_t start, Py_ssize_t end)

    cdef Py_ssize_t _head_end(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1
