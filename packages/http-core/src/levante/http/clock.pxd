cdef object _monotonic

cpdef double now() except? -1
