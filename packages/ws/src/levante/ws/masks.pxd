cimport cython
from libc.stdint cimport uint64_t

cdef Py_ssize_t _WORDWISE_FROM
cdef Py_ssize_t _WORD
cdef Py_ssize_t _KEY
cdef Py_ssize_t _BATCH

@cython.locals(out=bytearray, turned=bytes, done=Py_ssize_t)
cpdef bytes xor(bytes data, Py_ssize_t start, Py_ssize_t end, bytes key, Py_ssize_t offset)

cdef int _xor_words(uint64_t[::1] words, uint64_t word, Py_ssize_t count) except -1

cdef int _xor_bytes(unsigned char* out, const unsigned char* key, Py_ssize_t start, Py_ssize_t end) except -1

cdef class _Keys:
    cdef bytes _batch
    cdef Py_ssize_t _used

    cdef forget(self)
    @cython.locals(start=Py_ssize_t)
    cdef bytes take(self)

cdef _Keys _keys

cpdef bytes new_key()
