cimport cython

cdef Py_ssize_t _KEY
cdef Py_ssize_t _BATCH
cdef Py_ssize_t _SCRATCH
cdef bytearray _shared

@cython.locals(size=Py_ssize_t, buffer=bytearray, out="unsigned char *")
cpdef bytes xor(bytes data, Py_ssize_t start, Py_ssize_t end, bytes key, Py_ssize_t offset)

cdef bytes _mask_as_number(bytes data, bytes key)

@cython.locals(
    source="const unsigned char *",
    keys="const unsigned char *",
    first="unsigned char",
    second="unsigned char",
    third="unsigned char",
    fourth="unsigned char",
    whole=Py_ssize_t,
    i=Py_ssize_t,
)
cdef int _mask(
    unsigned char* out, bytes data, Py_ssize_t start, Py_ssize_t size, bytes key, Py_ssize_t offset
) except -1

cdef class _Keys:
    cdef bytes _batch
    cdef Py_ssize_t _used

    cdef forget(self)
    @cython.locals(start=Py_ssize_t)
    cdef bytes take(self)

cdef _Keys _keys

cpdef bytes new_key()
