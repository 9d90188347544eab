cimport cython

from levante.http.fieldnames cimport known_field
from levante.http.headrules cimport check_target, check_transfer_encoding, content_length, crlf, refuse_method, refuse_name, refuse_value
from levante.http.heads cimport Head, RequestHead, ResponseHead
from levante.http.octets cimport ascii_text, exactly, is_authority, is_token, line_text, number, piece, same, span, span_back, tokens

cdef unsigned char _BLANK
cdef unsigned char _TARGET
cdef unsigned char _TOKEN
cdef unsigned char _VALUE

cdef int _CR
cdef int _SP
cdef int _COLON

cdef int _HOST
cdef int _CONTENT_LENGTH
cdef int _TRANSFER_ENCODING
cdef int _CONNECTION
cdef int _UPGRADE
cdef int _EXPECT
cdef int _KEY1
cdef int _REQUEST_SINGLES
cdef int _RESPONSE_SINGLES

cdef Py_ssize_t _NO_LENGTH
cdef Py_ssize_t _METHOD_LIMIT
cdef bytes _VERSION
cdef dict _METHODS
cdef object _VERSION_10
cdef object _VERSION_11

cdef class HeadParser:
    cdef public Py_ssize_t end
    cdef public unsigned char kind
    cdef public bint mended
    cdef bint _request
    cdef int _singles
    cdef Py_ssize_t _max_line
    cdef Py_ssize_t _max_field
    cdef int _max_headers
    cdef Py_ssize_t _max_head
    cdef int _max_empty
    cdef Py_ssize_t _head
    cdef Py_ssize_t _line
    cdef Py_ssize_t _fields
    cdef int _empty_lines
    cdef int _count
    cdef int _seen
    cdef Py_ssize_t _length
    cdef bint _chunked
    cdef bint _keep
    cdef bint _close
    cdef bint _connection_upgrade
    cdef Py_ssize_t _upgrade_start
    cdef Py_ssize_t _upgrade_stop
    cdef Py_ssize_t _expect_start
    cdef Py_ssize_t _expect_stop
    cdef Py_ssize_t _host_start
    cdef Py_ssize_t _host_stop
    cdef Py_ssize_t _method_stop
    cdef Py_ssize_t _target_start
    cdef Py_ssize_t _target_stop
    cdef Py_ssize_t _reason_stop
    cdef int _minor
    cdef int _status

    cpdef reset(self)

    @cython.locals(line=Py_ssize_t)
    cpdef bint can_wait(self, Py_ssize_t buffered) except -1

    @cython.locals(line=Py_ssize_t, bound=Py_ssize_t, stop=Py_ssize_t, after=Py_ssize_t)
    cpdef Head parse(self, bytes data, Py_ssize_t start, Py_ssize_t end)

    cdef _refuse_size(self, Py_ssize_t size)

    @cython.locals(after=Py_ssize_t)
    cdef Py_ssize_t _start_line(self, bytes data, Py_ssize_t start, Py_ssize_t line, Py_ssize_t stop) except -2

    @cython.locals(method=Py_ssize_t, target=Py_ssize_t, behind=Py_ssize_t, after=Py_ssize_t)
    cdef Py_ssize_t _request_line(self, bytes data, Py_ssize_t start, Py_ssize_t line, Py_ssize_t stop) except -2

    @cython.locals(after=Py_ssize_t, index=Py_ssize_t, octet=int, behind=Py_ssize_t, reason=Py_ssize_t)
    cdef Py_ssize_t _status_line(self, bytes data, Py_ssize_t start, Py_ssize_t line, Py_ssize_t stop) except -2

    @cython.locals(index=Py_ssize_t, octet=int)
    cdef Py_ssize_t _version(self, bytes data, Py_ssize_t at, Py_ssize_t stop) except -2

    @cython.locals(colon=Py_ssize_t, first=Py_ssize_t, last=Py_ssize_t, after=Py_ssize_t, known=int)
    cdef Py_ssize_t _field(self, bytes data, Py_ssize_t start, Py_ssize_t line, Py_ssize_t stop) except -2

    cdef _note(self, int known, bytes data, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last)

    cdef _note_connection(self, bytes data, Py_ssize_t first, Py_ssize_t last)

    @cython.locals(head=RequestHead, begin=Py_ssize_t, name=bytes, first=Py_ssize_t, last=Py_ssize_t)
    cdef RequestHead _request_head(self, bytes data, Py_ssize_t start)

    @cython.locals(head=ResponseHead)
    cdef ResponseHead _response_head(self, bytes data, Py_ssize_t start)

    @cython.locals(wanted=list)
    cdef _finish(self, Head head, bytes data, Py_ssize_t start, Py_ssize_t begin)

    cdef object _host(self, bytes data, Py_ssize_t start)
