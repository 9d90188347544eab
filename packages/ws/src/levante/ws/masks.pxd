cimport cython

from levante.ws cimport blanks

cdef Py_ssize_t _KEY
cdef Py_ssize_t _BATCH
cdef bint _plain

@cython.locals(size=Py_ssize_t, masked=bytes)
cpdef bytes xor(bytes data, Py_ssize_t start, Py_ssize_t end, bytes keys, Py_ssize_t key_at, Py_ssize_t offset)

@cython.locals(size=Py_ssize_t, text=str, out="unsigned char *")
cpdef str xor_text(bytes data, Py_ssize_t start, Py_ssize_t end, bytes keys, Py_ssize_t key_at)

@cython.locals(begins=Py_ssize_t, size=Py_ssize_t, octets="const unsigned char *", whole=bytes)
cpdef bytes joined(bytes head, str text)

cdef Py_ssize_t _check(bytes data, Py_ssize_t start, Py_ssize_t end, bytes keys, Py_ssize_t key_at) except -1

cdef bytes _mask_as_number(bytes data, bytes key, Py_ssize_t offset)

@cython.locals(
    source="const unsigned char *",
    key="const unsigned char *",
    first="unsigned char",
    second="unsigned char",
    third="unsigned char",
    fourth="unsigned char",
    whole=Py_ssize_t,
    i=Py_ssize_t,
)
cdef int _mask(
    unsigned char* out, bytes data, Py_ssize_t start, Py_ssize_t size, bytes keys, Py_ssize_t key_at, Py_ssize_t offset
) except -1

@cython.locals(
    first="unsigned char",
    second="unsigned char",
    third="unsigned char",
    fourth="unsigned char",
    part=Py_ssize_t,
    i=Py_ssize_t,
)
cdef bint _is_ascii(const unsigned char* octets, Py_ssize_t size) noexcept

cdef class _Keys:
    cdef bytes _batch
    cdef Py_ssize_t _used

    cdef forget(self)
    @cython.locals(start=Py_ssize_t)
    cdef bytes take(self)

cdef _Keys _keys

cpdef bytes new_key()
