cimport cython

from levante.http.octets cimport is_authority, is_token, number, same, span, tokens

cdef int _LF
cdef unsigned char _DIGIT
cdef unsigned char _SCHEME
cdef Py_ssize_t _DIGITS_LIMIT

cpdef Py_ssize_t crlf(bytes data, Py_ssize_t at, Py_ssize_t stop) except -2

cpdef Py_ssize_t content_length(bytes data, Py_ssize_t first, Py_ssize_t last) except -1

@cython.locals(value=bytes, codings=list, unknown=bint)
cpdef check_transfer_encoding(bytes data, Py_ssize_t first, Py_ssize_t last)

@cython.locals(scheme=Py_ssize_t, start=Py_ssize_t, stop=Py_ssize_t)
cpdef check_target(bytes data, Py_ssize_t first, Py_ssize_t last, str method, bytes host)

cpdef refuse_method(bytes data, Py_ssize_t line, Py_ssize_t method)

cpdef refuse_name(bytes data, Py_ssize_t line, Py_ssize_t colon)

cpdef refuse_value(bytes data, Py_ssize_t line, Py_ssize_t colon, Py_ssize_t last)
