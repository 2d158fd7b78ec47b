package latchkey_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads docker-compose.yml the way Docker Compose does.
func loadCompose(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"docker-compose.yml"}, cli.WithEnv(env))
	if err != nil {
		t.Fatalf("compose options: %v", err)
	}
	return options.LoadProject(t.Context())
}

func mustLoadCompose(t *testing.T) *types.Project {
	t.Helper()
	project, err := loadCompose(t, "LATCHKEY_ISSUER=https://id.example.com")
	if err != nil {
		t.Fatalf("load docker-compose.yml: %v", err)
	}
	return project
}

// editService changes one service of the project in place.
func editService(name string, edit func(*types.ServiceConfig)) func(*types.Project) {
	return func(p *types.Project) {
		service := p.Services[name]
		edit(&service)
		p.Services[name] = service
	}
}

// everyService runs one check on all services and names the one that fails.
func everyService(check func(types.ServiceConfig) error) func(*types.Project) error {
	return func(p *types.Project) error {
		if len(p.Services) == 0 {
			return errors.New("no services")
		}
		for name, service := range p.Services {
			if err := check(service); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}
}

func ensure(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// composeRules are the properties of the production shape. Each comes with the
// smallest edit that takes the property away, to prove that the check sees it.
var composeRules = []struct {
	name  string
	check func(*types.Project) error
	spoil func(*types.Project)
}{
	{
		"latchkey and PostgreSQL 15 or newer, nothing else",
		func(p *types.Project) error {
			if names := p.ServiceNames(); !slices.Equal(names, []string{"latchkey", "postgres"}) {
				return fmt.Errorf("services are %v", names)
			}
			var major int
			if _, err := fmt.Sscanf(p.Services["postgres"].Image, "postgres:%d", &major); err != nil {
				return fmt.Errorf("image %q names no major version: %w", p.Services["postgres"].Image, err)
			}
			return ensure(major >= 15, "PostgreSQL %d is too old", major)
		},
		editService("postgres", func(s *types.ServiceConfig) { s.Image = "postgres:14" }),
	},
	{
		"every service has a health check that runs a program",
		everyService(func(s types.ServiceConfig) error {
			h := s.HealthCheck
			if h == nil || h.Disable || len(h.Test) < 2 || h.Test[0] != "CMD" {
				return errors.New("no health check of the form CMD")
			}
			return ensure(h.Interval != nil && h.Timeout != nil && h.Retries != nil, "interval, timeout or retries not set")
		}),
		editService("postgres", func(s *types.ServiceConfig) { s.HealthCheck.Disable = true }),
	},
	{
		"latchkey checks its health with its own program, since the image has no shell",
		func(p *types.Project) error {
			test := p.Services["latchkey"].HealthCheck.Test
			return ensure(slices.Equal(test, types.HealthCheckTest{"CMD", "/latchkey", "doctor", "--health"}), "health check is %q", test)
		},
		editService("latchkey", func(s *types.ServiceConfig) {
			s.HealthCheck = &types.HealthCheckConfig{Test: types.HealthCheckTest{"CMD", "curl", "localhost"}}
		}),
	},
	{
		"latchkey waits for a healthy database",
		func(p *types.Project) error {
			got := p.Services["latchkey"].DependsOn["postgres"].Condition
			return ensure(got == types.ServiceConditionHealthy, "condition is %q", got)
		},
		editService("latchkey", func(s *types.ServiceConfig) {
			s.DependsOn = types.DependsOnConfig{"postgres": {Condition: types.ServiceConditionStarted}}
		}),
	},
	{
		"no service runs as root",
		everyService(func(s types.ServiceConfig) error { return unprivileged(s.User) }),
		editService("latchkey", func(s *types.ServiceConfig) { s.User = "" }),
	},
	{
		"every root file system is read-only",
		everyService(func(s types.ServiceConfig) error { return ensure(s.ReadOnly, "read_only is not set") }),
		editService("latchkey", func(s *types.ServiceConfig) { s.ReadOnly = false }),
	},
	{
		"what may be written is memory, and for the database its volume",
		everyService(func(s types.ServiceConfig) error {
			if len(s.Tmpfs) == 0 {
				return errors.New("no tmpfs")
			}
			for _, v := range s.Volumes {
				if s.Name != "postgres" || v.Type != types.VolumeTypeVolume || v.Target != "/var/lib/postgresql/data" {
					return fmt.Errorf("mounts %s %s at %s", v.Type, v.Source, v.Target)
				}
			}
			return ensure(s.Name != "postgres" || len(s.Volumes) == 1, "the data has no volume")
		}),
		editService("latchkey", func(s *types.ServiceConfig) {
			s.Volumes = append(s.Volumes, types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: "/", Target: "/host"})
		}),
	},
	{
		"every capability is dropped and none added",
		everyService(func(s types.ServiceConfig) error {
			if s.Privileged || len(s.CapAdd) > 0 {
				return fmt.Errorf("privileged is %v, cap_add is %v", s.Privileged, s.CapAdd)
			}
			return ensure(slices.Equal(s.CapDrop, []string{"ALL"}), "cap_drop is %v", s.CapDrop)
		}),
		editService("postgres", func(s *types.ServiceConfig) { s.CapAdd = []string{"CHOWN"} }),
	},
	{
		"no process can gain privileges",
		everyService(func(s types.ServiceConfig) error {
			return ensure(slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "security_opt is %v", s.SecurityOpt)
		}),
		editService("latchkey", func(s *types.ServiceConfig) { s.SecurityOpt = nil }),
	},
	{
		"the database publishes no port and has no way out",
		func(p *types.Project) error {
			db := p.Services["postgres"]
			if len(db.Ports) > 0 || db.NetworkMode != "" {
				return fmt.Errorf("ports %v, network_mode %q", db.Ports, db.NetworkMode)
			}
			if len(db.Networks) == 0 {
				return errors.New("on the default network")
			}
			for name := range db.Networks {
				if !p.Networks[name].Internal {
					return fmt.Errorf("network %s is not internal", name)
				}
			}
			return nil
		},
		editService("postgres", func(s *types.ServiceConfig) {
			s.Ports = []types.ServicePortConfig{{Target: 5432, Published: "5432"}}
		}),
	},
	{
		"latchkey is published to the proxy of this host only",
		func(p *types.Project) error {
			ports := p.Services["latchkey"].Ports
			if len(ports) != 1 {
				return fmt.Errorf("%d ports are published", len(ports))
			}
			return ensure(ports[0].HostIP == "127.0.0.1", "published on %q", ports[0].HostIP)
		},
		editService("latchkey", func(s *types.ServiceConfig) { s.Ports[0].HostIP = "" }),
	},
	{
		"the only proxy believed is the gateway of the published network",
		func(p *types.Project) error {
			trusted := p.Services["latchkey"].Environment["LATCHKEY_TRUSTED_PROXIES"]
			want := p.Networks["front"].Ipam.Config[0].Gateway + "/32"
			return ensure(trusted != nil && *trusted == want, "want %s", want)
		},
		editService("latchkey", func(s *types.ServiceConfig) {
			all := "0.0.0.0/0"
			s.Environment["LATCHKEY_TRUSTED_PROXIES"] = &all
		}),
	},
	{
		"secrets come as files, each to the one service that needs it",
		func(p *types.Project) error {
			for name, secret := range p.Secrets {
				if secret.File == "" || secret.Environment != "" || secret.Content != "" {
					return fmt.Errorf("secret %s is not a file", name)
				}
			}
			want := map[string][]string{
				"latchkey": {"latchkey-database-url", "latchkey-keys"},
				"postgres": {"postgres-password"},
			}
			for service, names := range want {
				var got []string
				for _, s := range p.Services[service].Secrets {
					got = append(got, s.Source)
				}
				if !slices.Equal(got, names) {
					return fmt.Errorf("%s gets %v, want %v", service, got, names)
				}
			}
			return nil
		},
		func(p *types.Project) {
			p.Secrets["latchkey-keys"] = types.SecretConfig{Name: "latchkey-keys", Environment: "KEYS"}
		},
	},
	{
		"every secret that a service gets is named by a _FILE variable, and no variable holds one",
		everyService(func(s types.ServiceConfig) error {
			named := map[string]bool{}
			for name, value := range s.Environment {
				if value == nil {
					return fmt.Errorf("%s is taken over from whoever starts compose", name)
				}
				if strings.HasSuffix(name, "_FILE") {
					named[*value] = true
					continue
				}
				if namesSecret(name) {
					return fmt.Errorf("%s holds a secret in the environment", name)
				}
			}
			for _, secret := range s.Secrets {
				if !named["/run/secrets/"+secret.Source] {
					return fmt.Errorf("nothing points at secret %s", secret.Source)
				}
			}
			return nil
		}),
		editService("latchkey", func(s *types.ServiceConfig) {
			url := "postgres://latchkey:hunter2@postgres/latchkey"
			s.Environment["LATCHKEY_DATABASE_URL"] = &url
		}),
	},
	{
		"latchkey has time to drain its requests",
		func(p *types.Project) error {
			grace := p.Services["latchkey"].StopGracePeriod
			return ensure(grace != nil && *grace >= types.Duration(15e9), "stop_grace_period is %v", grace)
		},
		editService("latchkey", func(s *types.ServiceConfig) { s.StopGracePeriod = nil }),
	},
	{
		"services come back by themselves",
		everyService(func(s types.ServiceConfig) error {
			return ensure(s.Restart == types.RestartPolicyUnlessStopped, "restart is %q", s.Restart)
		}),
		editService("postgres", func(s *types.ServiceConfig) { s.Restart = "no" }),
	},
}

func TestComposeFileIsTheProductionShape(t *testing.T) {
	t.Parallel()
	for _, rule := range composeRules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			if err := rule.check(mustLoadCompose(t)); err != nil {
				t.Errorf("docker-compose.yml: %v", err)
			}
			spoiled := mustLoadCompose(t)
			rule.spoil(spoiled)
			if err := rule.check(spoiled); err == nil {
				t.Error("the check does not notice when the property is gone")
			}
		})
	}
}

func TestComposeFileAsksForTheIssuer(t *testing.T) {
	t.Parallel()
	_, err := loadCompose(t)
	if err == nil || !strings.Contains(err.Error(), "LATCHKEY_ISSUER") {
		t.Errorf("without LATCHKEY_ISSUER got %v, want an error that names it", err)
	}
}

// instruction is one line of a Dockerfile.
type instruction struct{ word, rest string }

// finalStage returns the instructions from the last FROM on.
func finalStage(dockerfile string) []instruction {
	var stage []instruction
	for line := range strings.Lines(strings.ReplaceAll(dockerfile, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		word = strings.ToUpper(word)
		if word == "FROM" {
			stage = nil
		}
		stage = append(stage, instruction{word, strings.TrimSpace(rest)})
	}
	return stage
}

// last returns the argument of the last such instruction, the one that counts.
func last(stage []instruction, word string) string {
	for _, i := range slices.Backward(stage) {
		if i.word == word {
			return i.rest
		}
	}
	return ""
}

func TestDockerfileIsTheProductionShape(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatalf("read Dockerfile: %v", err)
	}
	rules := []struct {
		name           string
		check          func([]instruction) error
		spoil, instead string
	}{
		{
			"the last user is not root",
			func(s []instruction) error { return unprivileged(last(s, "USER")) },
			"USER 65532:65532", "USER 65532:65532\nUSER root",
		},
		{
			"the image holds nothing but what is copied into it",
			func(s []instruction) error { return ensure(s[0].rest == "scratch", "built on %q", s[0].rest) },
			"FROM scratch", "FROM debian:12-slim",
		},
		{
			"nothing runs and nothing is fetched in the final stage",
			func(s []instruction) error {
				return ensure(last(s, "RUN") == "" && last(s, "ADD") == "", "it has RUN or ADD")
			},
			"ENTRYPOINT", "RUN true\nENTRYPOINT",
		},
		{
			"the health check needs no shell",
			func(s []instruction) error {
				check := last(s, "HEALTHCHECK")
				return ensure(strings.HasSuffix(check, `CMD ["/latchkey", "doctor", "--health"]`), "it is %q", check)
			},
			`CMD ["/latchkey", "doctor", "--health"]`, "CMD curl localhost",
		},
		{
			"signals reach the program itself",
			func(s []instruction) error {
				return ensure(last(s, "ENTRYPOINT") == `["/latchkey"]` && last(s, "CMD") == `["serve"]`, "not in exec form")
			},
			`ENTRYPOINT ["/latchkey"]`, "ENTRYPOINT /latchkey",
		},
		{
			"no secret is baked in",
			func(s []instruction) error {
				for _, i := range s {
					if slices.Contains([]string{"ENV", "ARG", "COPY"}, i.word) && namesSecret(i.rest) {
						return fmt.Errorf("%s %s", i.word, i.rest)
					}
				}
				return nil
			},
			"EXPOSE 8080", "ENV LATCHKEY_DATABASE_URL=postgres://latchkey:hunter2@postgres/latchkey",
		},
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			if err := rule.check(finalStage(string(raw))); err != nil {
				t.Errorf("Dockerfile: %v", err)
			}
			spoiled := strings.Replace(string(raw), rule.spoil, rule.instead, 1)
			if spoiled == string(raw) {
				t.Fatalf("the Dockerfile has no %q to spoil", rule.spoil)
			}
			if err := rule.check(finalStage(spoiled)); err == nil {
				t.Error("the check does not notice when the property is gone")
			}
		})
	}
}

func TestImageLeavesSecretsOutside(t *testing.T) {
	t.Parallel()
	for _, file := range []string{".dockerignore", ".gitignore"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		if !slices.Contains(strings.Split(string(raw), "\n"), "/secrets/") {
			t.Errorf("%s does not name /secrets/", file)
		}
	}
}

// namesSecret reports whether a variable or path speaks of something that must
// not be in an environment or an image.
func namesSecret(name string) bool {
	return slices.ContainsFunc([]string{"PASSWORD", "SECRET", "TOKEN", "KEYS", "DATABASE_URL"}, func(word string) bool {
		return strings.Contains(strings.ToUpper(name), word)
	})
}

// unprivileged refuses a USER that is root, may be root or is left out. Numbers
// only: an orchestrator that insists on non-root cannot judge a name.
func unprivileged(user string) error {
	var uid, gid int
	if _, err := fmt.Sscanf(user, "%d:%d", &uid, &gid); err != nil {
		return fmt.Errorf("user %q is not UID:GID in numbers", user)
	}
	return ensure(uid > 0 && gid > 0, "user %q is root", user)
}
