package templates

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

//go:embed static
var staticFiles embed.FS

// files serves the static files. Their addresses carry one hash over all of
// them, so that a page and its files always fit together and browsers may keep
// them for good; scripts import one another by relative addresses and so carry
// the same hash.
type files struct {
	version string
	byName  map[string]file
}

type file struct {
	plain, zipped []byte
	contentType   string
	etag          string
}

// versionShape tells a hash in an address from a folder.
var versionShape = regexp.MustCompile(`^[0-9a-f]{16}$`)

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func newFiles() (*files, error) {
	f := &files{byName: make(map[string]file)}
	all := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		one, err := newFile(name, plain)
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "%s %d\n", name, len(plain))
		all.Write(plain)
		f.byName[strings.TrimPrefix(name, "static/")] = one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the static files: %w", err)
	}
	f.version = hex.EncodeToString(all.Sum(nil))[:16]
	return f, nil
}

func newFile(name string, plain []byte) (file, error) {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		return file{}, fmt.Errorf("%s: no content type for this kind of file", name)
	}
	var zipped bytes.Buffer
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return file{}, err
	}
	if _, err := z.Write(plain); err != nil {
		return file{}, err
	}
	if err := z.Close(); err != nil {
		return file{}, err
	}
	sum := sha256.Sum256(plain)
	return file{plain: plain, zipped: zipped.Bytes(), contentType: contentType, etag: hex.EncodeToString(sum[:8])}, nil
}

// url is the address of a file; it fails for one that does not exist.
func (f *files) url(name string) (string, error) {
	if _, ok := f.byName[name]; !ok {
		return "", fmt.Errorf("there is no static file %q", name)
	}
	return "/static/" + f.version + "/" + name, nil
}

// ServeHTTP serves GET /static/*. Under the current hash an answer may be kept
// for good. Under another one (a page of an older node during an update) and
// under none the current file is served, to be asked for again each time.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/static/")
	cache := "no-cache"
	if version, rest, found := strings.Cut(name, "/"); found && versionShape.MatchString(version) {
		name = rest
		if version == f.version {
			cache = "public, max-age=31536000, immutable"
		}
	}
	one, ok := f.byName[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", cache)
	h.Set("Content-Type", one.contentType)
	h.Set("Vary", "Accept-Encoding")
	body, etag := one.plain, one.etag
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, etag = one.zipped, etag+"-gz"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
