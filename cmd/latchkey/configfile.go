package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configPath is the value of --config.
type configPath string

// BeforeResolve reads the file; kong calls it when the flag or its variable is
// set, before it asks where the other flags get their values from.
func (configPath) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, _ := ctx.FlagValue(trace.Flag).(configPath)
	file, err := readConfig(string(path))
	if err != nil {
		return wrong("config", err.Error(), configExample)
	}
	ctx.AddResolver(file)
	return nil
}

const configExample = "latchkey.yaml, holding a line such as issuer: " + issuerExample

// configFile is what the file holds: the names of settings with their values.
// Variables win over it, flags over both.
type configFile map[string]string

func readConfig(path string) (configFile, error) {
	content, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	lines := map[string]any{}
	if err := yaml.Unmarshal([]byte(content), &lines); err != nil {
		// The library's list of mistakes has a line for each.
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	file := configFile{}
	for name, value := range lines {
		if file[name], err = flagText(value); err != nil {
			return nil, fmt.Errorf("the value of %s %w", name, err)
		}
	}
	return file, nil
}

// flagText spells a value of the file as it would stand on the command line.
func flagText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("is empty")
	case string, bool, int, float64:
		return fmt.Sprint(v), nil
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			text, ok := item.(string)
			if !ok {
				return "", errors.New("is a list of something else than text")
			}
			parts[i] = text
		}
		return strings.Join(parts, ","), nil
	}
	return "", errors.New("is neither a text, a number, true or false, nor a list")
}

// Validate refuses names that are no setting: a slip of the pen must not leave
// a default in force. Besides the settings of all commands, those of serve may
// stand in the file.
func (f configFile) Validate(app *kong.Application) error {
	var known []string
	nodes := []*kong.Node{app.Node}
	for _, n := range app.Children {
		if n.Name == "serve" {
			nodes = append(nodes, n)
		}
	}
	for _, n := range nodes {
		for _, flag := range n.Flags {
			if !slices.Contains([]string{"help", "json", "config"}, flag.Name) {
				known = append(known, flag.Name)
			}
		}
	}
	for name := range f {
		if !slices.Contains(known, name) {
			return wrong("config", "the file has the line "+name+", which is no setting", configExample)
		}
	}
	return nil
}

// Resolve gives a flag the value of the file, unless a variable sets it.
func (f configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, there := f[flag.Name]
	if !there {
		return nil, nil
	}
	for _, variable := range []string{envName(flag.Name), envName(flag.Name) + "_FILE"} {
		if _, set := os.LookupEnv(variable); set {
			return nil, nil
		}
	}
	return value, nil
}
