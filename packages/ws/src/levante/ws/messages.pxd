cimport cython

from levante.ws cimport blanks
from levante.ws.frames cimport FrameReader

cdef object _TEXT_TYPE
cdef object _BINARY_TYPE
cdef object _TEXT_MESSAGE
cdef object _BINARY_MESSAGE
cdef object _decode

cdef int _TEXT
cdef int _BINARY
cdef int _CONTROL
cdef int _CLOSE
cdef int _PING
cdef int _NOTHING

cdef class MessageReader:
    cdef FrameReader _frames
    cdef object _inflater
    cdef Py_ssize_t _max_size
    cdef Py_ssize_t _max_fragments
    cdef bint _decode_text
    cdef bint _views
    cdef int _opcode
    cdef bint _inflating
    cdef Py_ssize_t _fragments
    cdef Py_ssize_t _size
    cdef bytearray _buffer
    cdef bytes _utf8_rest
    cdef int _kind
    cdef object _data
    cdef Py_ssize_t _length
    cdef object _reason

    cpdef feed(self, bytes data)
    cpdef Py_ssize_t unread(self)
    cpdef next_message(self)
    @cython.locals(frames=FrameReader, opcode=int)
    cpdef int advance(self) except -1
    cpdef take(self)
    cpdef int close_code(self) except -1
    cpdef message(self)
    cdef int _begin_frame(self, int opcode, Py_ssize_t length) except -1
    cdef int _whole(self, int opcode, FrameReader frames) except -1
    @cython.locals(size=Py_ssize_t)
    cdef int _gathered(self, int opcode, object payload) except -1
    cdef int _came(self, int kind, object data, Py_ssize_t length) except -1
    cdef int _add(self, bytes piece) except -1
    cdef Py_ssize_t _room(self) except? -1
    cdef _check_utf8(self, bytes piece)
    @cython.locals(payload=bytearray, rest=bytes, opcode=int)
    cdef int _finish(self) except -1
    cdef int _control(self, int opcode, bytes payload) except -1

@cython.locals(code=int)
cdef tuple _read_close(bytes payload)

cdef bytes _as_bytes(object payload)
