cimport cython

from levante.http.clock cimport now
from levante.http.h1 cimport Connection

cdef class Link:
    cdef object __weakref__
    cdef public object limits
    cdef public object transport
    cdef public object loop
    cdef public object lost_by
    cdef public bint lost
    cdef public bint write_paused
    cdef public double write_timeout
    cdef Connection _h1
    cdef bint _closing
    cdef bint _eof
    cdef bint _paused
    cdef list _waiters
    cdef list _closed_waiters
    cdef object _timer
    cdef double _timer_at
    cdef double _read_deadline
    cdef double _write_deadline
    cdef Py_ssize_t _unsent
    cdef Py_ssize_t _least_sent

    cdef _ended(self, object exc)
    cpdef bint is_closing(self) except -1
    cpdef bint has_eof(self) except -1
    cpdef bint is_secure(self) except -1
    cpdef abort(self)
    cdef _close_transport(self)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cdef _reading_changed(self)
    cpdef bint has_failed(self) except -1
    cpdef disconnected_error(self)
    cdef _wake_writers(self)
    cdef _read_within(self, double seconds)
    cdef _read_until(self, double moment)
    cdef _watch_writing(self)
    cdef _arm(self, double when)
    @cython.locals(read=double, write=double)
    cdef _rearm(self)
    cpdef bint is_stalled(self, Py_ssize_t before) except -1
    cdef _stalled(self)
    cdef _expired(self)
