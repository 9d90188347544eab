cdef class Outbox:
    cdef Py_ssize_t _limit
    cdef object _transport
    cdef list _waiters
    cdef list _listeners
    cdef public bint paused
    cdef readonly bint lost

    cpdef attach(self, object transport)
    cpdef bint is_closing(self) except -1
    cpdef write(self, bytes frame)
    cdef _open_transport(self)
    cpdef pause(self)
    cpdef resume(self)
    cpdef lose(self)
    cpdef add_listener(self, object listener)
    cpdef remove_listener(self, object listener)
    cpdef notify(self)
    cdef _wake(self)
