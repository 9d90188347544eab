cimport cython
from levante.ws.masks cimport joined, xor, xor_text

cdef int _RSV2_AND_RSV3
cdef int _MASKED
cdef int _CONTROL
cdef int _TEXT
cdef int _LAST_DATA_OPCODE
cdef int _LAST_CONTROL_OPCODE
cdef int _MAX_CONTROL
cdef int _LENGTH_16
cdef int _LENGTH_64
cdef int _LARGEST_16
cdef int _C_FIN
cdef int _C_RSV1

cdef class FrameReader:
    cdef bint _masked
    cdef bint _rsv1_allowed
    cdef bytes _data
    cdef Py_ssize_t _pos
    cdef Py_ssize_t _end
    cdef bytes _keys
    cdef Py_ssize_t _key_at
    cdef Py_ssize_t _start
    cdef Py_ssize_t _done
    cdef Py_ssize_t _left
    cdef bint _in_payload
    cdef bint _begun
    cdef readonly int opcode
    cdef readonly bint fin
    cdef readonly bint rsv1
    cdef readonly Py_ssize_t length
    cdef readonly bint starts
    cdef readonly bint ends

    cpdef feed(self, bytes data)
    cpdef Py_ssize_t unread(self)
    @cython.locals(available=Py_ssize_t)
    cpdef bint advance(self) except -1
    @cython.locals(piece=bytes)
    cpdef bytes piece(self)
    @cython.locals(text=str)
    cpdef str text(self)
    cdef _let_go(self)
    @cython.locals(start=Py_ssize_t, available=Py_ssize_t, first=int, second=int, length=Py_ssize_t, size=int, extended=int)
    cdef bint _read_header(self) except -1
    @cython.locals(opcode=int)
    cdef int _check_first_byte(self, int first) except -1
    cdef int _check_second_byte(self, int first, int second) except -1
    @cython.locals(data=bytes, length=Py_ssize_t, least=Py_ssize_t, i=Py_ssize_t)
    cdef Py_ssize_t _extended_length(self, Py_ssize_t start, Py_ssize_t end) except -1

cdef list _made

@cython.locals(head=bytes)
cpdef bytes encode_frame(int opcode, bytes payload, int flags, bytes key)

cpdef bytes encode_ascii(str text)

cdef bytes _head(int first, int mask, object length)

@cython.locals(made=list)
cdef bytes _two_bytes(int first, int second)
