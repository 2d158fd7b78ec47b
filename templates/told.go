package templates

import "latchkey"

// ToldApp is an application that is told about a sign-out.
type ToldApp struct {
	Name    string
	Done    bool   // it knows
	Failed  bool   // it was given up; neither = it is still tried
	Browser bool   // this browser tells it; nobody knows whether it listened
	Text    string // why it does not know yet, and what happens now
}

// ToldOf puts a notice into words.
func ToldOf(n latchkey.Notice) ToldApp {
	app := ToldApp{Name: n.App, Done: n.State == latchkey.NoticeDelivered, Failed: n.State == latchkey.NoticeFailed}
	switch {
	case app.Done:
	case app.Failed:
		app.Text = n.Why() + " We gave up."
	case n.Tried():
		app.Text = n.Why() + " We keep trying for a day."
	default:
		app.Text = "It has not answered yet. We keep trying for a day."
	}
	return app
}
