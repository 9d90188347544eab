cdef class Arrival:
    cdef public bint _asyncio_future_blocking
    cdef object _loop
    cdef bint _come
    cdef object _error
    cdef object _wakeup
    cdef object _context
    cdef object _timer

    cpdef begin(self, object loop, object timeout)
    cpdef end(self)
    cpdef wake(self)
    cpdef wake_soon(self)
