from levante.http.links cimport Link

cdef int _IDLE
cdef int _DRAINING
cdef int _LINGERING
cdef Py_ssize_t _DRAINED_LIMIT
cdef Py_ssize_t _LINGERED_LIMIT
cdef double _LINGERING_LIMIT

cdef class LingeringLink(Link):
    cdef int _activity
    cdef Py_ssize_t _swallowed
    cdef double _lingering_timeout

    cdef _drain_body(self)
    cdef _linger(self)
    cdef _linger_briefly(self)
    cdef _swallow(self, Py_ssize_t count)
