cimport cython

from levante.ws.keepalive cimport KeepAlive
from levante.ws.lifeline cimport Lifeline
from levante.ws.protocol cimport WebSocketProtocol

cdef int _BINARY
cdef int _CLOSE
cdef int _PING
cdef int _PONG

cdef class WebSocketDriver(Lifeline):
    @cython.locals(kind=int)
    cdef _advance(self)
    @cython.locals(engine=WebSocketProtocol)
    cdef _dispatch(self, int kind)
    cdef _hand_over(self, object listener, int kind, object data)
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
