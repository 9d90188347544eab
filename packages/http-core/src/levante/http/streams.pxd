cimport cython

cdef Py_ssize_t _BYTES_PER_CHUNK
cdef Py_ssize_t _LARGE

cdef class StreamReader:
    cdef object __weakref__
    cdef public object trailers
    cdef public object on_first_wait
    cdef public object total_compressed_bytes
    cdef public Py_ssize_t total_bytes
    cdef public Py_ssize_t _size
    cdef public bint _eof
    cdef public object _exception
    cdef object _flow
    cdef object _loop
    cdef object _parts
    cdef object _chunk_ends
    cdef object _waiter
    cdef list _eof_waiters
    cdef list _eof_callbacks
    cdef Py_ssize_t _low
    cdef Py_ssize_t _high
    cdef Py_ssize_t _offset
    cdef Py_ssize_t _cursor
    cdef bint _paused

    cpdef feed_data(self, object data, object chunk_ends=*)
    cpdef feed_eof(self, object trailers=*)
    cpdef exception(self)
    cpdef bint is_eof(self) except -1
    cpdef read_nowait(self, Py_ssize_t n=*)
    cpdef rest(self)
    cdef bint _is_over(self, Py_ssize_t mark) except -1
    cdef _raise_marks(self, Py_ssize_t n)
    cdef _resume(self)
    cdef _wake(self)
    cdef _release_eof_waiters(self)
    cdef _put_back(self, bytes data)
    @cython.locals(part=bytes, data=bytes, left=Py_ssize_t)
    cdef bytes _take_part(self, Py_ssize_t n)
    cdef bytes _take_available(self)
    @cython.locals(wanted=Py_ssize_t, first=bytes, block=bytes, blocks=list)
    cdef bytes _take(self, Py_ssize_t n)
    @cython.locals(part=bytes, at=Py_ssize_t)
    cdef Py_ssize_t _find_in_part(self, bytes separator, bytes tail) except -2
