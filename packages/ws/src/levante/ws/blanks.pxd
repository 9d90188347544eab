cdef extern from *:
    """
    #include <string.h>

    static CYTHON_INLINE PyObject *levante_new_bytes(Py_ssize_t size) {
        return PyBytes_FromStringAndSize(NULL, size);
    }

    static CYTHON_INLINE PyObject *levante_new_ascii(Py_ssize_t size) {
        return PyUnicode_New(size, 127);
    }

    static CYTHON_INLINE unsigned char *levante_octets(PyObject *text) {
        return PyUnicode_IS_ASCII(text) ? PyUnicode_1BYTE_DATA(text) : NULL;
    }

    static CYTHON_INLINE void levante_copy(unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t size) {
        memcpy(out + at, octets, (size_t)size);
    }

    static CYTHON_INLINE PyObject *levante_record(PyObject *kind, PyObject *items) {
        PyObject *made, *arguments = PyTuple_Pack(1, items);
        if (arguments == NULL) return NULL;
        made = PyTuple_Type.tp_new((PyTypeObject *)kind, arguments, NULL);
        Py_DECREF(arguments);
        return made;
    }
    """
    bytes new_bytes "levante_new_bytes" (Py_ssize_t size)
    str new_ascii "levante_new_ascii" (Py_ssize_t size)
    unsigned char *octets "levante_octets" (str text) noexcept
    void copy "levante_copy" (
        unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t size
    ) noexcept
    object record "levante_record" (object kind, tuple items)
