cimport cython

from levante.http.octets cimport same

cdef int _HOST
cdef int _CONTENT_LENGTH
cdef int _TRANSFER_ENCODING
cdef int _CONNECTION
cdef int _UPGRADE
cdef int _EXPECT
cdef int _KEY1
cdef int _CONTENT_TYPE
cdef int _USER_AGENT
cdef int _SERVER
cdef int _ETAG
cdef int _CONTENT_LOCATION
cdef int _CONTENT_RANGE
cdef int _MAX_FORWARDS
cdef int _CONTENT_ENCODING
cdef int _SET_COOKIE

@cython.locals(length=Py_ssize_t)
cpdef int known_field(bytes data, Py_ssize_t start, Py_ssize_t end) except -1
