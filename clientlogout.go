package latchkey

// checkLogout judges where an application wants to hear of a sign-out (OpenID
// Connect Back-Channel Logout §2.2). Where the address leads, and whether http is
// allowed there, the guarded client judges.
func (c *Client) checkLogout(p problems) {
	uri := c.Protocol.BackchannelLogoutURI
	switch {
	case uri == "":
	case !c.SignsPeopleIn():
		p.add("backchannel_logout_uri", "Nobody signs in to a machine, so there is no sign-out to tell it of.")
	default:
		checkList(p, "backchannel_logout_uri", []string{uri}, func(uri string) string { return linkProblem(uri, false) })
	}
}
