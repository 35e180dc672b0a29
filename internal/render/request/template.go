package request

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"sekisho/internal/finding"
)

// Limits of a template. A form that people fill in has a few hundred rows and a logo.
const (
	mostParts     = 2000     // files in the package (chosen: forms have fewer than a hundred)
	mostUnpacked  = 64 << 20 // bytes of all parts together (chosen: four times what the command line reads)
	mostPart      = 32 << 20 // bytes of one part (chosen: a large picture, or a million short texts)
	mostSheetRow  = 20000    // last row that a sheet may touch (chosen: the library keeps every row before it)
	mostGrid      = 2000000  // cells that a sheet keeps, counting in each row those before the last (chosen: 200 MB)
	mostXMLDepth  = 200      // nesting of elements (chosen: drawings have about twenty)
	mostSheets    = 255      // sheets (chosen: what Excel makes without asking twice)
	mostNames     = 10000    // defined names (chosen)
	mostNameValue = 8192     // bytes of one (ECMA-376: a formula has at most 8,192 characters)
)

// unusable is the error of a template that is refused. why is the code of "request.template.<why>".
func (f *form) unusable(why string, cause error, args ...string) error {
	return finding.Fail("request.template-kind", cause, "why", f.text("template."+why, args...))
}

// open checks a template and reads it. Nothing of it is executed, and nothing outside of it is read.
func (f *form) open(data []byte) (b *book, err error) {
	if err := f.inspect(data); err != nil {
		return nil, err
	}
	defer func() {
		// The library reads what somebody else made; where it gives up, the template is damaged and we are not.
		if recovered := recover(); recovered != nil {
			b, err = nil, f.unusable("damaged", fmt.Errorf("%v", recovered), "part", "xlsx")
		}
	}()
	file, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{UnzipSizeLimit: 2 * mostUnpacked, UnzipXMLSizeLimit: mostUnpacked})
	if err != nil {
		return nil, f.unusable("damaged", err, "part", "xlsx")
	}
	if n := len(file.GetSheetList()); n == 0 || n > mostSheets {
		return nil, errors.Join(f.unusable("damaged", nil, "part", "xl/workbook.xml"), file.Close())
	}
	return &book{File: file}, nil
}

// inspect holds a template against the limits and against what is refused, before any library sees it.
func (f *form) inspect(data []byte) error {
	if bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")) { // [MS-CFB] section 2.2; encrypted packages are one, [MS-OFFCRYPTO] section 2.3
		return f.unusable("encrypted", nil)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return f.unusable("not-xlsx", err)
	}
	if len(archive.File) > mostParts {
		return f.unusable("large", nil, "part", "zip", "max", strconv.Itoa(mostParts))
	}
	left, workbook := int64(mostUnpacked), false
	seen := map[string]bool{}
	for _, part := range archive.File {
		name := strings.ToLower(path.Clean("/" + strings.ReplaceAll(part.Name, `\`, "/")))[1:]
		shown := visible(part.Name)
		if seen[name] {
			return f.unusable("damaged", nil, "part", shown) // two readers would read two workbooks
		}
		seen[name] = true
		workbook = workbook || name == "xl/workbook.xml"
		switch {
		case strings.Contains(name, "vbaproject"), strings.Contains(name, "macrosheets/"), strings.Contains(name, "dialogsheets/"):
			return f.unusable("macros", nil)
		case strings.Contains(name, "externallinks/"), strings.HasSuffix(name, "/connections.xml"), strings.Contains(name, "querytables/"), strings.Contains(name, "externalreferences/"):
			return f.unusable("external", nil, "part", shown)
		case strings.Contains(name, "embeddings/"), strings.Contains(name, "activex/"), strings.Contains(name, "ctrlprops/"):
			return f.unusable("embedded", nil, "part", shown)
		}
		if strings.HasSuffix(part.Name, "/") {
			continue
		}
		most := min(left, mostPart)
		body, err := unpack(part, most)
		if errors.Is(err, errLarge) {
			return f.unusable("large", nil, "part", shown, "max", strconv.FormatInt(most, 10))
		}
		if err != nil {
			return f.unusable("damaged", err, "part", shown)
		}
		left -= int64(len(body))
		if strings.HasSuffix(name, ".xml") || strings.HasSuffix(name, ".rels") || strings.HasSuffix(name, ".vml") {
			if err := f.readPart(name, shown, body); err != nil {
				return err
			}
		}
	}
	if !workbook {
		return f.unusable("not-xlsx", nil)
	}
	return nil
}

var errLarge = errors.New("too large")

func unpack(part *zip.File, most int64) ([]byte, error) {
	if part.UncompressedSize64 > uint64(most) {
		return nil, errLarge
	}
	r, err := part.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, most+1))
	if int64(len(body)) > most {
		return nil, errLarge // whatever the directory of the archive says
	}
	return body, err
}

// readPart walks over one part.
func (f *form) readPart(name, shown string, body []byte) error {
	if bytes.Contains(body, []byte("macroEnabled")) {
		return f.unusable("macros", nil)
	}
	sheet := strings.HasPrefix(name, "xl/worksheets/") && strings.HasSuffix(name, ".xml")
	if !sheet && !strings.HasSuffix(name, ".rels") && name != "xl/workbook.xml" && name != "xl/sharedstrings.xml" && name != "xl/styles.xml" && !strings.HasPrefix(name, "xl/drawings/") {
		if bytes.Contains(body, []byte("<!DOCTYPE")) {
			return f.unusable("doctype", nil, "part", shown)
		}
		return nil // the library hands it on as it is
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.Strict = !strings.HasPrefix(name, "xl/drawings/") // old drawings are not well formed
	g := grid{}
	for depth := 0; ; {
		t, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return f.unusable("damaged", err, "part", shown)
		}
		switch t := t.(type) {
		case xml.Directive:
			return f.unusable("doctype", nil, "part", shown)
		case xml.EndElement:
			depth--
		case xml.StartElement:
			if depth++; depth > mostXMLDepth {
				return f.unusable("large", nil, "part", shown, "max", strconv.Itoa(mostXMLDepth))
			}
			if t.Name.Local == "Relationship" && attribute(t, "TargetMode") == "External" && !strings.HasSuffix(attribute(t, "Type"), "/hyperlink") {
				return f.unusable("external", nil, "part", shown)
			}
			if sheet && !g.take(t) {
				return f.unusable("large", nil, "part", shown, "max", strconv.Itoa(mostGrid))
			}
			if t.Name.Local == "definedName" {
				if g.names++; g.names > mostNames {
					return f.unusable("large", nil, "part", shown, "max", strconv.Itoa(mostNames))
				}
			}
		}
	}
}

func attribute(t xml.StartElement, local string) string {
	for _, a := range t.Attr {
		if a.Name.Local == local && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// grid counts what a sheet makes the library keep: every row before the last, and in each every cell before the last.
type grid struct {
	row, column, cells, names int
}

func (g *grid) take(t xml.StartElement) bool {
	switch t.Name.Local {
	case "row":
		g.row++
		g.column = 0
		if r, err := strconv.Atoi(attribute(t, "r")); err == nil {
			g.row = r
		}
	case "c":
		g.cells++
		g.column++
		if c, r, err := excelize.CellNameToCoordinates(attribute(t, "r")); err == nil {
			g.cells += max(0, c-g.column)
			g.column, g.row = c, max(g.row, r)
		}
	case "mergeCell", "hyperlink", "dataValidation", "conditionalFormatting", "col":
		g.cells++
	}
	return g.row >= 0 && g.row <= mostSheetRow && g.cells <= mostGrid
}
