cimport cython

from levante.http.fieldnames cimport known_field
from levante.http.headparser cimport HeadParser
from levante.http.heads cimport Head

cdef int _CR
cdef unsigned char _VALUE
cdef int _FRAMING_FIELDS

cdef class LenientHeadParser(HeadParser):
    cdef HeadParser _judge
    cdef bint _mending
    cdef bytes _lines
    cdef bytes _held

    cpdef reset(self)

    @cython.locals(line=Py_ssize_t, bound=Py_ssize_t, stop=Py_ssize_t, newline=Py_ssize_t, head=Head)
    cpdef Head parse(self, bytes data, Py_ssize_t start, Py_ssize_t end)

    cdef _wait_for_line(self, bytes data, Py_ssize_t line, Py_ssize_t stop)

    @cython.locals(lines=bytes)
    cdef Head _take_line(self, bytes line)

    @cython.locals(colon=Py_ssize_t, text=bytes)
    cdef bint _take_continuation(self, bytes line) except -1

    cdef Head _judged(self, bytes lines)

cdef bint _frames(bytes name) except -1

cdef bytes _mended_status_line(bytes line)

@cython.locals(colon=Py_ssize_t, name=bytes)
cdef bytes _mended_field_line(bytes line)
