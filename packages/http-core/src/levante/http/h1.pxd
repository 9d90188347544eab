cimport cython

from levante.http.bodies cimport BodyDecoder, ChunkedDecoder, CloseDecoder, LengthDecoder
from levante.http.headparser cimport HeadParser
from levante.http.heads cimport Head, RequestHead, ResponseHead
from levante.http.lenience cimport LenientHeadParser
from levante.http.octets cimport span
from levante.http.outgoing cimport Outgoing

cdef int _NEED_DATA
cdef int _PAUSED
cdef int _HEAD
cdef int _DATA
cdef int _END
cdef int _CLOSED

cdef int _PEER_HEAD
cdef int _PEER_BODY
cdef int _PEER_END
cdef int _PEER_DONE
cdef int _PEER_CLOSED
cdef int _PEER_SWITCHED
cdef int _PEER_ERROR

cdef int _IDLE
cdef int _DONE
cdef int _SWITCHED

cdef Py_ssize_t _UNKNOWN_LENGTH

cdef class Connection(Outgoing):
    cdef public bytes data
    cdef public list chunk_ends
    cdef public object trailers
    cdef object _limits
    cdef bint _server
    cdef bint _lenient
    cdef HeadParser _parser
    cdef bytes _buffer
    cdef Py_ssize_t _position
    cdef bytearray _more
    cdef bint _scanned
    cdef bint _stranger
    cdef bint _eof
    cdef object _error
    cdef BodyDecoder _decoder
    cdef int _informational
    cdef int _peer

    cpdef receive_data(self, bytes data)
    cpdef Py_ssize_t buffered(self) except -1
    cpdef int poll(self) except -1
    cpdef bint is_peer_done(self) except -1
    cpdef bint has_body_event(self) except -1
    cpdef Py_ssize_t remaining_body(self) except -2
    cpdef start_next_cycle(self)
    @cython.locals(data=bytes)
    cpdef bytes switch(self, int status, object reason, object headers, str date_line=*, str server_line=*)
    cpdef bytes trailing_data(self)
    cdef _join(self)
    @cython.locals(end=Py_ssize_t, head=Head, mended=bint)
    cdef int _poll_head(self) except -1
    @cython.locals(decoder=BodyDecoder, end=Py_ssize_t, position=Py_ssize_t)
    cdef int _poll_body(self) except -1
    cdef int _missing(self) except -1
    cdef bint _is_blank(self) except -1
    cdef _consume(self, Py_ssize_t position)
    cdef _fail(self, object error)
    cdef int _after_request(self, Head head) except -1
    @cython.locals(status=int)
    cdef int _after_response(self, Head head) except -1
    cdef int _frame_by(self, Head head) except -1
