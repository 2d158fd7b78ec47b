package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"latchkey"
)

// api is the JSON API: operations with typed inputs and outputs, described by
// OpenAPI 3.1, whose errors are our problems.
type api struct {
	huma.API
	edge *edge
}

// strictCasing makes "Token" an unknown member where the schema says "token".
// The library keeps this switch for all its APIs; nobody wants it otherwise.
var strictCasing = sync.OnceFunc(func() { huma.ValidateStrictCasing = true })

// newAPI makes the API on r. The description is served at
// /api/v1/openapi.json. Nothing of the library's own pages is: they load
// scripts from other hosts.
func newAPI(e *edge, r *gin.Engine, title, version string) *api {
	strictCasing()
	config := huma.DefaultConfig(title, version)
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath = ""
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema members and links in answers
	config.RejectUnknownQueryParameters = true
	config.Formats = map[string]huma.Format{typeJSON: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	a := &api{edge: e}
	config.Transformers = []huma.Transformer{a.transform}
	a.API = huma.NewAPI(config, &apiRouter{engine: r, edge: e})
	return a
}

// apiRouter registers operations with the words that stand on their line.
type apiRouter struct {
	engine *gin.Engine
	edge   *edge
}

const wordsKey = "words"

// ServeHTTP is asked for by the library; requests come through the listener.
func (r *apiRouter) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.engine.ServeHTTP(w, req) }

// Handle registers one operation.
func (r *apiRouter) Handle(op *huma.Operation, handler func(huma.Context)) {
	words, _ := op.Metadata[wordsKey].([]gin.HandlerFunc)
	chain := append(append([]gin.HandlerFunc{}, words...), func(c *gin.Context) {
		if err := checkQuery(c.Request.URL.RawQuery); err != nil {
			r.edge.fail(c, err)
			return
		}
		handler(humagin.NewContext(op, c))
	})
	r.engine.Handle(op.Method, strings.NewReplacer("{", ":", "}", "").Replace(op.Path), chain...)
}

// checkQuery refuses a parameter that is empty or there twice. The library
// would take the first of two, and an empty one as none at all: who means
// "?except=current" and sends something else must not end every session.
func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return latchkey.Refuse(latchkey.ErrInvalid, "malformed_request", "The address of this request could not be read.")
	}
	fields := map[string]string{}
	for name, values := range query {
		if len(values) != 1 || values[0] == "" {
			fields[cut(name, 100)] = "Give this parameter once, with a value."
		}
	}
	if len(fields) > 0 {
		return latchkey.InvalidFields(fields)
	}
	return nil
}

// operation registers h under op with the words of its line. Status 0 means
// 200, or 204 for an output without a body.
func operation[I, O any](a *api, op huma.Operation, h func(context.Context, *I) (*O, error), words ...gin.HandlerFunc) {
	// The word json has read the body within the listener's deadline and
	// measured it; the library's own 5 s deadline would end slow handlers.
	op.BodyReadTimeout = -1
	op.MaxBodyBytes = -1
	op.Metadata = map[string]any{wordsKey: words}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{
		Description: "Problem",
		Content: map[string]*huma.MediaType{"application/problem+json": {
			Schema: a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem"),
		}},
	}
	if op.OperationID == "" {
		op.OperationID = huma.GenerateOperationID(op.Method, op.Path, (*O)(nil))
	}
	huma.Register(a.API, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, newProblem(a.edge.judge(ctx, err), visitOf(ctx).id)
		}
		return out, nil
	})
	// Registered by the library for every operation, used by none of ours.
	delete(a.OpenAPI().Components.Schemas.Map(), "ErrorModel")
	delete(a.OpenAPI().Components.Schemas.Map(), "ErrorDetail")
}

// call registers h at a method and a path, such as
// call(a, "POST", "/api/v1/me/recovery-codes", account.NewCodes, e.origin, e.json).
func call[I, O any](a *api, method, path string, h func(context.Context, *I) (*O, error), words ...gin.HandlerFunc) {
	operation(a, huma.Operation{Method: method, Path: path}, h, words...)
}

// transform turns the library's own errors, which are about input that does
// not fit the schema, into problems. Values are left out: they may be secrets.
func (a *api) transform(ctx huma.Context, _ string, body any) (any, error) {
	e, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	return newProblem(a.edge.judge(ctx.Context(), schemaError(e)), visitOf(ctx.Context()).id), nil
}

func schemaError(e *huma.ErrorModel) error {
	if e.Status >= http.StatusInternalServerError {
		return errors.New("api: " + e.Detail)
	}
	if e.Status != http.StatusUnprocessableEntity {
		return &latchkey.Problem{
			Kind: latchkey.ErrInvalid, Status: e.Status, Code: "malformed_request",
			Message: "The request could not be understood.",
		}
	}
	fields := map[string]string{}
	for _, detail := range e.Errors {
		if detail != nil {
			fields[fieldName(detail)] = cut(detail.Message, maxLogValue)
		}
	}
	return latchkey.InvalidFields(fields)
}

// fieldName is the place of an error without the part of the request it is in.
// Of a missing or unknown member the library names the object around it; the
// member's own name is in the message.
func fieldName(d *huma.ErrorDetail) string {
	_, name, _ := strings.Cut(d.Location, ".")
	if rest, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		if missing, ok := strings.CutSuffix(rest, " to be present"); ok {
			name = strings.Trim(name+"."+missing, ".")
		}
	}
	if name == "" {
		return "body"
	}
	return cut(name, 100)
}
