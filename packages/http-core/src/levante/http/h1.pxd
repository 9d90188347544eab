cimport cython

from levante.http.bodies cimport BodyDecoder, ChunkedDecoder, CloseDecoder, LengthDecoder
from levante.http.headparser cimport HeadParser
from levante.http.heads cimport Head, RequestHead, ResponseHead
from levante.http.octets cimport span
from levante.http.writers cimport FieldBlock, chunk, encode, field_block, last_chunk, request_line, status_line

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
cdef int _BODY
cdef int _DONE
cdef int _SWITCHED
cdef int _ERROR

cdef int _FRAMED_NONE
cdef int _FRAMED_DROPPED
cdef int _FRAMED_LENGTH
cdef int _FRAMED_CHUNKED
cdef int _FRAMED_CLOSE

cdef Py_ssize_t _UNKNOWN_LENGTH
cdef int _DATE
cdef int _SERVER
cdef int _HOST
cdef int _FRAMING
cdef object _VERSION_11
cdef unsigned char _VALUE

cdef class Connection:
    cdef public bint keep_alive
    cdef public Head head
    cdef public bytes data
    cdef public list chunk_ends
    cdef public object trailers
    cdef object _limits
    cdef bint _server
    cdef HeadParser _parser
    cdef bytes _buffer
    cdef Py_ssize_t _position
    cdef bytearray _more
    cdef bint _scanned
    cdef bint _control
    cdef bint _eof
    cdef object _error
    cdef BodyDecoder _decoder
    cdef int _informational
    cdef bint _upgrade_sent
    cdef Py_ssize_t _remaining
    cdef int _framed
    cdef int _peer
    cdef int _our
    cdef object _method

    cpdef receive_data(self, bytes data)
    cpdef Py_ssize_t buffered(self) except -1
    cpdef int poll(self) except -1
    cpdef bint is_peer_done(self) except -1
    cpdef bint is_switched(self) except -1
    cpdef bint has_body_event(self) except -1
    cpdef bint is_our_turn_over(self) except -1
    cpdef Py_ssize_t remaining_body(self) except -2
    cpdef start_next_cycle(self)
    cpdef bytes trailing_data(self)
    cdef _join(self)
    @cython.locals(end=Py_ssize_t, head=Head)
    cdef int _poll_head(self) except -1
    @cython.locals(decoder=BodyDecoder, end=Py_ssize_t, position=Py_ssize_t)
    cdef int _poll_body(self) except -1
    cdef int _missing(self) except -1
    cdef _consume(self, Py_ssize_t position)
    cdef _fail(self, object error)
    cdef int _after_request(self, Head head) except -1
    @cython.locals(status=int)
    cdef int _after_response(self, Head head) except -1
    cdef int _frame_by(self, Head head) except -1

    @cython.locals(block=FieldBlock)
    cpdef bytes send_informational(self, int status, object headers=*)
    @cython.locals(line=str, framing=str, block=FieldBlock)
    cpdef bytes send_response(
        self, int status, object reason, object headers, Py_ssize_t length=*, bint keep_alive=*, str date_line=*, str server_line=*
    )
    @cython.locals(line=str, framing=str, block=FieldBlock)
    cpdef bytes send_request(self, object method, object target, object headers, Py_ssize_t length=*)
    cpdef bytes send_data(self, bytes data)
    @cython.locals(tail=bytes)
    cpdef bytes end(self, object trailers=*)
    cpdef bint drops_body(self) except -1
    cpdef bint takes_plain_bytes(self, Py_ssize_t count) except -1
    cpdef note_sent(self, Py_ssize_t count)
    @cython.locals(block=FieldBlock)
    cpdef bytes switch(self, int status, object reason, object headers, str date_line=*, str server_line=*)
    cdef _check(self, str what, int state)
    cdef bint _peer_speaks_11(self) except -1
    @cython.locals(line=str, framed=int)
    cdef str _frame(self, FieldBlock block, Py_ssize_t length, bint dropped, bint chunks)
    cdef str _connection_line(self, FieldBlock block)
