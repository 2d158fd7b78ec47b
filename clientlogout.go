package latchkey

import "net/url"

// checkLogout judges where an application wants to hear of a sign-out (OpenID
// Connect Back-Channel Logout §2.2). Where that address leads, and whether http is
// allowed there, the guarded client judges.
func (c *Client) checkLogout(p problems) {
	c.checkFrontchannel(p)
	uri := c.Protocol.BackchannelLogoutURI
	switch {
	case uri == "":
	case !c.SignsPeopleIn():
		p.add("backchannel_logout_uri", "Nobody signs in to a machine, so there is no sign-out to tell it of.")
	default:
		checkList(p, "backchannel_logout_uri", []string{uri}, func(uri string) string { return linkProblem(uri, false) })
	}
}

// checkFrontchannel judges the address that browsers load (OpenID Connect
// Front-Channel Logout §2): scheme, host and port are those of a redirect URI.
func (c *Client) checkFrontchannel(p problems) {
	if c.Protocol.FrontchannelLogoutURI == "" {
		return
	}
	checkList(p, "frontchannel_logout_uri", []string{c.Protocol.FrontchannelLogoutURI}, func(uri string) string {
		if what := uriProblem(uri, false); what != "" {
			return what
		}
		u, err := url.Parse(uri)
		if err != nil {
			return "this is not an address."
		}
		query := u.Query()
		if query.Has("iss") || query.Has("sid") {
			return "the query has iss or sid, which are added to it. Choose another name."
		}
		for _, redirect := range c.RedirectURIs {
			if r, err := url.Parse(redirect); err == nil && r.Host != "" && originOf(r) == originOf(u) {
				return ""
			}
		}
		return "scheme, host and port must be those of a redirect URI."
	})
}
