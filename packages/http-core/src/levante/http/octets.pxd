cimport cython

cdef bytes _TABLE

@cython.locals(octets="const unsigned char *", table="const unsigned char *")
cpdef Py_ssize_t span(bytes data, Py_ssize_t start, Py_ssize_t end, unsigned char kind) except -1

@cython.locals(octets="const unsigned char *")
cpdef Py_ssize_t find(bytes data, Py_ssize_t start, Py_ssize_t end, unsigned char octet) except -1

@cython.locals(octets="const unsigned char *")
cpdef bytes piece(bytes data, Py_ssize_t start, Py_ssize_t end)

@cython.locals(octets="const unsigned char *")
cpdef str ascii_text(bytes data, Py_ssize_t start, Py_ssize_t end)

@cython.locals(octets="const unsigned char *")
cpdef str line_text(bytes data, Py_ssize_t start, Py_ssize_t end)

@cython.locals(octets="const unsigned char *", table="const unsigned char *")
cpdef Py_ssize_t span_back(bytes data, Py_ssize_t start, Py_ssize_t end, unsigned char kind) except -1

@cython.locals(octets="const unsigned char *", wanted="const unsigned char *", index=Py_ssize_t)
cpdef bint same(bytes data, Py_ssize_t start, Py_ssize_t end, bytes name) except -1

@cython.locals(octets="const unsigned char *", wanted="const unsigned char *", index=Py_ssize_t)
cpdef bint exactly(bytes data, Py_ssize_t start, Py_ssize_t end, bytes name) except -1

@cython.locals(octets="const unsigned char *", value="long long")
cpdef long long number(bytes data, Py_ssize_t start, Py_ssize_t end) except -1

@cython.locals(stop=Py_ssize_t, port=Py_ssize_t)
cpdef bint is_authority(bytes data, Py_ssize_t start, Py_ssize_t end, bint port_needed=*) except -1

cdef bint _is_ipv6(bytes text) except -1

cpdef bint is_token(bytes text) except -1

cpdef list tokens(bytes value)
