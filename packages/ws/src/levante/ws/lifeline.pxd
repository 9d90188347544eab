from levante.ws.inbox cimport Inbox
from levante.ws.keepalive cimport KeepAlive
from levante.ws.outbox cimport Outbox
from levante.ws.protocol cimport WebSocketProtocol

cdef class Lifeline:
    cdef object __weakref__
    cdef readonly WebSocketProtocol _engine
    cdef object _manners
    cdef readonly Inbox _inbox
    cdef readonly Outbox _outbox
    cdef readonly object _listener
    cdef readonly object _transport
    cdef readonly object _loop
    cdef object _heartbeat
    cdef readonly object _close_timeout
    cdef bint _autoping
    cdef bint _autoclose
    cdef KeepAlive _keepalive
    cdef object _beat_timer
    cdef object _grace_timer
    cdef object _linger_timer
    cdef double _linger_deadline
    cdef readonly bint _reading_paused
    cdef bint _held
    cdef readonly bint _stalled
    cdef readonly bint _ended
    cdef object _last_word
    cdef public bint _closed
    cdef public object _close_code
    cdef object _close_reason
    cdef public object _exception
    cdef int _pongs
    cdef object _owed_pong
    cdef list _waiters
    cdef bint _farewell_said

    cpdef abort(self)
    cdef _die(self, object error)
    cpdef _hang_up(self)
    cdef _stop_timers(self)
    cdef _pause_reading(self)
    cdef _resume_reading(self)
    cdef _wake_waiters(self)
