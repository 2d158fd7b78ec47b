package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// maxSecretFile bounds what LATCHKEY_…_FILE may hold.
const maxSecretFile = 64 << 10

// envFiles gives a flag the content of the file that LATCHKEY_<FLAG>_FILE names:
// the way mounted secrets arrive. One newline at the end is not part of the value.
func envFiles() kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := envName(flag.Name) + "_FILE"
		path, set := os.LookupEnv(name)
		if !set {
			return nil, nil
		}
		if _, both := os.LookupEnv(envName(flag.Name)); both {
			return nil, fmt.Errorf("%s and %s are both set: keep one", envName(flag.Name), name)
		}
		value, err := readSmall(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
		if value == "" {
			return nil, fmt.Errorf("%s: the file is empty", name)
		}
		return value, nil
	})
}

func envName(flag string) string {
	return "LATCHKEY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func readSmall(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSecretFile {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxSecretFile)
	}
	content, err := os.ReadFile(path)
	return string(content), err
}
