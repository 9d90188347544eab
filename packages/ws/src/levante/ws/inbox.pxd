cimport cython

from levante.ws.arrival cimport Arrival

cdef Py_ssize_t _MOST
cdef Py_ssize_t _MOST_BYTES

cdef class Inbox:
    cdef object _first
    cdef object _messages
    cdef Py_ssize_t _size
    cdef Arrival _arrival

    cpdef put(self, object message)
    cpdef pop(self)
    cpdef clear(self)
    cpdef bint is_full(self) except -1
    cpdef wake(self)
    cpdef wake_soon(self)
    @cython.locals(arrival=Arrival)
    cpdef arrival(self, object loop, object timeout)
    cpdef stop_waiting(self)
