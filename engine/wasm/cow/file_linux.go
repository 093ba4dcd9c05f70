package cow

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// file is a sealed file in memory that holds an image. close, drop and release are no-ops on
// nil.
type file struct {
	fd      int
	pagemap int // -1: there is none
}

// newFile makes a file of content, and a mapping of it to read from.
func newFile(content []byte) (*file, []byte, error) {
	fd, err := unix.MemfdCreate("sallyport-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, err
	}
	f := &file{fd: fd, pagemap: -1}
	view, err := f.fill(content)
	if err != nil {
		_ = unix.Close(fd)
		return nil, nil, err
	}
	if pagemap, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		f.pagemap = pagemap
	}
	return f, view, nil
}

// seals see to it that no page of a memory can change or go away under the guest.
const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

func (f *file) fill(content []byte) ([]byte, error) {
	for at := 0; at < len(content); {
		n, err := unix.Pwrite(f.fd, content[at:], int64(at))
		if err != nil {
			return nil, err
		}
		at += n
	}
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, err
	}
	return mapped(f.fd, nil, len(content), unix.PROT_READ, 0)
}

func mapped(fd int, at unsafe.Pointer, size, protection, flags int) ([]byte, error) {
	p, err := unix.MmapPtr(fd, 0, at, uintptr(size), protection, unix.MAP_PRIVATE|unix.MAP_NORESERVE|flags)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), size), nil //nolint:gosec // it is the mapping just made
}

// reserve returns limit bytes of address space that begin with the image; what comes after
// can't be touched before it is opened, and costs nothing.
func (f *file) reserve(limit, size int) ([]byte, error) {
	all, err := mapped(-1, nil, limit, unix.PROT_NONE, unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	if _, err := mapped(f.fd, unsafe.Pointer(&all[0]), size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_FIXED); err != nil { //nolint:gosec // MAP_FIXED needs an address
		f.release(all)
		return nil, err
	}
	return all, nil
}

func (f *file) open(part []byte) error {
	return unix.Mprotect(part, unix.PROT_READ|unix.PROT_WRITE)
}

// drop forgets what was written to part: the pages of the image come back, others are zero.
func (f *file) drop(part []byte) error {
	return unix.Madvise(part, unix.MADV_DONTNEED)
}

// pageEntry is the size of what the system says of a page.
const pageEntry = 8

// pages reads what the system says of the first pages of a memory.
func (f *file) pages(all []byte, page int, into []byte) error {
	if f.pagemap < 0 {
		return errNotFound
	}
	first := int64(uintptr(unsafe.Pointer(&all[0]))) / int64(page) //nolint:gosec // the file is indexed by address
	n, err := unix.Pread(f.pagemap, into, first*pageEntry)
	if err == nil && n != len(into) {
		err = errNotFound
	}
	return err
}

// ownPage says whether a page of a private mapping is not, or no longer, the file's: it is in
// memory or swapped out, and is neither of a file nor shared. The other bits say other things,
// also of pages that were never touched (Linux, admin-guide/mm/pagemap.rst).
func ownPage(entry []byte) bool {
	const present, swapped, ofFile = 1 << 63, 1 << 62, 1 << 61
	e := binary.NativeEndian.Uint64(entry)
	return e&(present|swapped) != 0 && e&ofFile == 0
}

func (f *file) release(all []byte) {
	if f != nil {
		_ = unix.MunmapPtr(unsafe.Pointer(&all[0]), uintptr(len(all))) //nolint:gosec // fails only on what is not a mapping
	}
}

func (f *file) close(view []byte) error {
	if f == nil {
		return nil
	}
	f.release(view)
	if f.pagemap >= 0 {
		_ = unix.Close(f.pagemap)
	}
	return unix.Close(f.fd)
}
