cimport cython

from levante.http.heads cimport Head
from levante.http.writers cimport FieldBlock, chunk, encode, field_block, last_chunk, request_line, status_line

cdef int _FRAMED_NONE
cdef int _FRAMED_DROPPED
cdef int _FRAMED_LENGTH
cdef int _FRAMED_CHUNKED
cdef int _FRAMED_CLOSE

cdef int _IDLE
cdef int _BODY
cdef int _DONE
cdef int _SWITCHED
cdef int _ERROR
cdef Py_ssize_t _UNKNOWN_LENGTH
cdef int _DATE
cdef int _SERVER
cdef int _HOST
cdef int _FRAMING
cdef int _NO_ADDITION
cdef int _EXPECT
cdef object _VERSION_10
cdef object _VERSION_11

cdef class PreparedRequest:
    cdef public object method
    cdef public str line
    cdef public str fields
    cdef public FieldBlock block
    cdef public bint plain
    cdef public bytes whole

    @cython.locals(line=str)
    cpdef PreparedRequest with_target(self, target)
    @cython.locals(more=FieldBlock, text=str)
    cpdef PreparedRequest with_fields(self, fields, Py_ssize_t place)

cdef class Outgoing:
    cdef public bint keep_alive
    cdef public Head head
    cdef int _our
    cdef object _method
    cdef bint _upgrade_sent
    cdef int _framed
    cdef Py_ssize_t _remaining

    cpdef bint is_our_turn_over(self) except -1
    cpdef bint is_last_word(self) except -1
    cpdef bytes announce_close(self, bytes head)
    cpdef bint is_switched(self) except -1
    @cython.locals(block=FieldBlock)
    cpdef bytes send_informational(self, int status, object headers=*)
    @cython.locals(line=str, framing=str, block=FieldBlock)
    cpdef bytes send_response(
        self, int status, object reason, object headers, Py_ssize_t length=*, bint keep_alive=*, str date_line=*, str server_line=*
    )
    cpdef bytes send_request(
        self, object method, object target, object headers, Py_ssize_t length=*, object version=*
    )
    @cython.locals(framing=str, block=FieldBlock, plain=bint)
    cpdef bytes send_prepared(self, PreparedRequest request, Py_ssize_t length=*)
    cpdef bytes send_data(self, bytes data)
    @cython.locals(tail=bytes)
    cpdef bytes end(self, object trailers=*)
    cpdef bint drops_body(self) except -1
    cpdef bint takes_plain_bytes(self, Py_ssize_t count) except -1
    cpdef note_sent(self, Py_ssize_t count)
    @cython.locals(block=FieldBlock)
    cdef bytes _switch_head(self, int status, object reason, object headers, str date_line=*, str server_line=*)
    cdef _check(self, str what, int state)
    cdef bint _peer_speaks_11(self) except -1
    @cython.locals(line=str, framed=int)
    cdef str _frame(self, FieldBlock block, Py_ssize_t length, bint dropped, bint chunks)
    cdef str _connection_line(self, FieldBlock block)

@cython.locals(line=str, block=FieldBlock, plain=bint)
cpdef PreparedRequest prepare_request(object method, object target, object headers, object version=*)

cdef _check_plain_request(FieldBlock block, Py_ssize_t length)
