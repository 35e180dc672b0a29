package sqlite

import "io/fs"

// Migrations are the files that make and change the schema.
func Migrations() fs.FS { return migrations }
