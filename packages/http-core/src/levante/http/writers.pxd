cimport cython

from levante.http.octets cimport is_token, span

cdef int _CONNECTION
cdef int _CONTENT_LENGTH
cdef int _TRANSFER_ENCODING
cdef int _FRAMING
cdef int _NO_TRAILER
cdef dict _NAMES
cdef dict _STATUS_LINES
cdef tuple _latest
cdef unsigned char _TARGET

cdef class FieldBlock:
    cdef public str text
    cdef public int seen
    cdef public Py_ssize_t length
    cdef public bint close
    cdef public bint keep_alive
    cdef public bint upgrade
    cdef public bint chunked

    cdef clear(self)

@cython.locals(block=FieldBlock, lines=list, meaning=int, latest=tuple)
cpdef FieldBlock field_block(object headers, int drop=*)

cdef bint _are_tuples(tuple pairs) except -1

cdef int _new_name(object name) except -1

cpdef check_text(object text, object what)

cdef _note(FieldBlock block, int meaning, object value)

cpdef str status_line(int status, object reason)

@cython.locals(text=bytes)
cpdef str request_line(object method, object target, int minor=*)

cpdef bytes encode(tuple lines)

cpdef bytes chunk(bytes data)

@cython.locals(block=FieldBlock)
cpdef bytes last_chunk(object trailers)
