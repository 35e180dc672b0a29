package ca

import "io/fs"

// openToOthers: access on Windows is by lists that a mode does not show; the data folder's list is inherited.
func openToOthers(fs.FileInfo) (mode string, open bool) { return "", false }

func writableByOthers(fs.FileInfo) (mode string, open bool) { return "", false }

// syncFolder: a folder cannot be flushed on Windows; NTFS journals the rename.
func syncFolder(string) {}
