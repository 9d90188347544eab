cdef class Pace:
    cdef double _rate
    cdef double _reserve
    cdef double _grace
    cdef double _deadline

    cpdef start(self, double now)
    cpdef stop(self, double now)
    cpdef take(self, Py_ssize_t count)
    cpdef double time_left(self, double now) except? -1
