cdef class KeepAlive:
    cdef double _interval
    cdef double _deadline
    cdef bint _pinged

    cpdef received(self, double now)
    cpdef check(self, double now)
