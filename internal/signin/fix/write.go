package fix

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Words are the comments of what is written, in the reader's language; none may hold a line break.
type Words struct {
	Header []string
	// Why says in a line why a change is made.
	Why func(Change) string
	// Decide says in a line that somebody has to decide.
	Decide string
	// Changed and Missing are what the PowerShell script says when a value is not the one that was read, and when it is; "{0}" and
	// "{1}" stand for account and attribute.
	Changed, Done string
}

// LDIF writes changes as ldifde -i and ldapmodify take them (RFC 2849). A value is taken away by name before the new one is
// added, in one modification, so that the directory refuses the whole where the old value is not there any more. Changes
// without a DN are passed over, and counted.
func LDIF(w io.Writer, words Words, changes []Change) (without int, err error) {
	b := bufio.NewWriter(w)
	for _, line := range words.Header {
		fmt.Fprintf(b, "# %s\n", line)
	}
	// No "version: 1": RFC 2849 writes it, every reader takes a file without it, and Samba's takes none with it.
	for _, c := range changes {
		if c.DN == "" || !fits(c.Old) || !fits(c.New) {
			without++
			continue
		}
		fmt.Fprintf(b, "\n# %s\n", words.Why(c))
		var record strings.Builder
		ldifLine(&record, "dn", c.DN, false)
		record.WriteString("changetype: modify\n")
		if c.Old != "" {
			record.WriteString("delete: " + c.Attribute + "\n")
			ldifLine(&record, c.Attribute, c.Old, c.Binary)
			record.WriteString("-\n")
		}
		if c.New != "" {
			record.WriteString("add: " + c.Attribute + "\n")
			ldifLine(&record, c.Attribute, c.New, false)
			record.WriteString("-\n")
		}
		if !c.Decide {
			b.WriteString(record.String())
			continue
		}
		fmt.Fprintf(b, "# %s\n", words.Decide)
		if !Removable(c.Attribute) {
			continue // without its new value the record would take the name away
		}
		for line := range strings.Lines(record.String()) {
			b.WriteString("# " + line)
		}
	}
	return without, b.Flush()
}

// ldifLine writes one attribute: as text where it is a SAFE-STRING (RFC 2849), in base64 otherwise, folded at 76 columns.
func ldifLine(b *strings.Builder, name, value string, encoded bool) {
	line := name + ": " + value
	if encoded {
		line = name + ":: " + value
	} else if !safe(value) {
		line = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
	}
	const wide = 76
	for first := true; ; first = false {
		room := wide
		if !first {
			b.WriteByte(' ')
			room--
		}
		if len(line) <= room {
			b.WriteString(line + "\n")
			return
		}
		b.WriteString(line[:room] + "\n")
		line = line[room:]
	}
}

// safe reports whether a value can stand as text: printable ASCII that neither begins with blank, colon or less-than nor ends
// with a blank.
func safe(value string) bool {
	if value == "" || strings.ContainsRune(" :<", rune(value[0])) || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] >= 0x7f {
			return false
		}
	}
	return true
}

// PowerShell writes changes as a script for the ActiveDirectory module. It changes nothing where the value is not the one that
// was read, and takes -WhatIf and -Confirm. It begins with the mark of UTF-8, without which Windows PowerShell reads another
// encoding. Changes without a DN are passed over, and counted.
func PowerShell(w io.Writer, words Words, changes []Change) (without int, err error) {
	b := bufio.NewWriter(w)
	b.WriteString("\ufeff")
	for _, line := range words.Header {
		fmt.Fprintf(b, "# %s\r\n", line)
	}
	script := `[CmdletBinding(SupportsShouldProcess)]
param([string]$Server)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
Import-Module ActiveDirectory
$at = @{}
if ($Server) { $at['Server'] = $Server }

function Set-Value {
    [CmdletBinding(SupportsShouldProcess)]
    param([string]$Identity, [string]$Attribute, [string]$Old, [string]$New, [switch]$Binary)
    $object = Get-ADObject -Identity $Identity -Properties $Attribute @at
    $now = @($object.$Attribute)
    if ($Binary) { $now = @(if ($object.$Attribute) { [Convert]::ToBase64String([byte[]]$object.$Attribute) }) }
    $now = @($now | Where-Object { $null -ne $_ })
    $as = if ($Old -eq '') { $now.Count -eq 0 } else { $now -ccontains $Old }
    if (-not $as) {
        Write-Warning (CHANGED -f $Identity, $Attribute)
        return
    }
    if (-not $PSCmdlet.ShouldProcess($Identity, "$Attribute : $Old -> $New")) { return }
    $change = @{ Identity = $Identity }
    if ($Old -ne '' -and $now.Count -eq 1 -and $New -ne '') { $change['Replace'] = @{ $Attribute = $New } }
    elseif ($Binary -or ($now.Count -eq 1 -and $New -eq '')) { $change['Clear'] = $Attribute }
    else {
        if ($Old -ne '') { $change['Remove'] = @{ $Attribute = $Old } }
        if ($New -ne '') { $change['Add'] = @{ $Attribute = $New } }
    }
    if ($object.ObjectClass -in 'user', 'inetOrgPerson') { Set-ADUser @change @at } else { Set-ADObject @change @at }
    Write-Output (DONE -f $Identity, $Attribute)
}
`
	script = strings.NewReplacer("CHANGED", Quote(words.Changed), "DONE", Quote(words.Done), "\n", "\r\n").Replace(script)
	b.WriteString(script)
	for _, c := range changes {
		if c.DN == "" || !fits(c.Old) || !fits(c.New) {
			without++
			continue
		}
		fmt.Fprintf(b, "\r\n# %s\r\n", words.Why(c))
		line := "Set-Value -Identity " + Quote(c.DN) + " -Attribute " + Quote(c.Attribute) + " -Old " + Quote(c.Old) + " -New " + Quote(c.New)
		if c.Binary {
			line += " -Binary"
		}
		if c.Decide {
			fmt.Fprintf(b, "# %s\r\n", words.Decide)
			if !Removable(c.Attribute) {
				continue
			}
			b.WriteString("# ")
		}
		b.WriteString(line + "\r\n")
	}
	return without, b.Flush()
}

// Quote is a value as an argument of PowerShell: a literal in single quotes, in which neither $ nor ` means anything. PowerShell
// takes the typographic single quotes U+2018 to U+201B for quotes as well ("about_Quoting_Rules"), so they stand as their
// numbers, like everything that is no visible character: the line is one line, and shows what it does.
func Quote(value string) string {
	var parts []string
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, "'"+text.String()+"'")
			text.Reset()
		}
	}
	for _, r := range value {
		switch {
		case r == '\'':
			text.WriteString("''")
		case r >= 0x2018 && r <= 0x201b, !unicode.IsPrint(r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			flush()
			for _, unit := range utf16.Encode([]rune{r}) {
				parts = append(parts, fmt.Sprintf("[string][char]0x%04X", unit))
			}
		default:
			text.WriteRune(r)
		}
	}
	flush()
	switch len(parts) {
	case 0:
		return "''"
	case 1:
		if strings.HasPrefix(parts[0], "'") {
			return parts[0]
		}
	}
	return "(" + strings.Join(parts, " + ") + ")"
}
