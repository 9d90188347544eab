from levante.ws.keepalive cimport KeepAlive
from levante.ws.lifeline cimport Lifeline

cdef object _BINARY
cdef object _CLOSE
cdef object _PING
cdef object _PONG

cdef class WebSocketDriver(Lifeline):
    cdef _advance(self)
    cdef _dispatch(self, object message)
    cdef _hand_over(self, object listener, object message)
    cdef _tell(self, object callback)
    cdef _listener_failed(self, object error)
    cdef _say_farewell(self)
    cdef _caught_up(self)
    cdef _end(self, object message)
    cdef _peer_closed(self, object message)
    cdef _peer_failed(self, object error)
    cdef _await_application(self)
    cdef _at_most(self, double seconds)
    cdef _answer_ping(self, bytes payload)
    cdef _pay_pong(self)
    cpdef _settle_code(self)
