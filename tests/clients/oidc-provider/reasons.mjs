// Why the two answer differently. The first reason whose `when(tags, here, there)` holds explains a request; one with a `field`
// explains that field of the answer and nothing else.

const any = (...names) => (tags) => names.some((name) => tags.has(name))
const says = (error) => (_, here) => here.error === error
const refusesBoth = (_, here, there) => here.error !== undefined && there.error !== undefined
const all = (...conditions) => (tags, here, there) => conditions.every((condition) => condition(tags, here, there))

export const REASONS = [
  {
    what: 'another method than POST',
    when: all(any('GET', 'PUT'), (_, here, there) => here.status === 405 && there.status === 404),
    why: 'RFC 6749 §3.2: the client MUST use POST. RFC 9110 §15.5.6: what is there, and not by this method, is 405 with Allow.',
  },
  {
    what: 'two resources, and something else that is wrong',
    when: all(any('two resources'), says('invalid_target'), refusesBoth),
    why: 'RFC 8707 §2: one token is for one API. The form is read whole before anybody is asked who he is.',
  },
  {
    what: 'a parameter that comes twice or not at all, and something else that is wrong',
    when: all(any('scope twice', 'grant twice', 'no grant', 'empty grant', 'token twice', 'hint twice', 'no token', 'an empty token', 'post with its secret twice',
      'basic and post', 'assertion and basic'),
      says('invalid_request'), refusesBoth),
    why: 'RFC 6749 §3.2: parameters MUST NOT be included more than once. The form is read whole before anybody is asked who he is.',
  },
  {
    what: 'a grant that is not there',
    when: all(says('unsupported_grant_type'), refusesBoth),
    why: 'RFC 6749 §5.2: unsupported is what the server does not support, whoever asks. oidc-provider asks first who that is, and has code grants that this client may not use.',
  },
  {
    what: 'a scope that nobody has or that is none',
    when: all(any('an unknown scope', 'a malformed scope'), says('invalid_scope')),
    why: 'RFC 6749 §5.2: invalid_scope for one that is unknown. oidc-provider leaves out of the token what the API does not have, and says so by `scope` only.',
  },
  {
    what: 'an Authorization header that nobody can read',
    when: all(any('bearer', 'basic without a colon', 'basic that is not base64', 'basic with no secret'), says('invalid_client'), refusesBoth),
    why: 'RFC 6749 §5.2: unsupported and failed authentication is invalid_client; to a header with 401 and a challenge. Every failure to authenticate is one answer.',
  },
  {
    what: 'nobody says who he is, or by nothing that can be read',
    when: all(any('none', 'post without an id', 'post without a secret', 'assertion that is none', 'assertion of another type', 'POST nothing'),
      says('invalid_client'), refusesBoth),
    why: 'RFC 6749 §5.2: no client authentication included is invalid_client. Every failure to authenticate is one answer.',
  },
  {
    what: 'an assertion that is good for the token endpoint, or for an hour',
    when: all(any('assertion for the token endpoint', 'assertion for an hour'), says('invalid_client')),
    why: 'draft-ietf-oauth-rfc7523bis §4: the audience is the issuer alone. FAPI 2.0 §5.3.2.1 asks the same; a stolen assertion is good for five minutes at most.',
  },
  {
    what: 'what is said of revocations is not to be kept',
    field: 'cache-control',
    when: any('revocation'),
    why: 'RFC 9111 §3 lets nobody keep an answer to POST that does not say so; Carnet says no-store with every answer about credentials all the same.',
  },
  {
    what: 'a token of another client is asked about',
    when: all(any('introspection'), any('a token of another client'), (_, here, there) => here.active && there.active === false),
    why: 'RFC 7662 §4 leaves to the server who may ask. Here it is the tenant of the token: a gateway asks about the tokens of others.',
  },
  {
    what: 'a token of another client is taken back',
    when: all(any('revocation'), any('a token of another client'), says('unauthorized_client')),
    why: 'RFC 7009 §2.1: if the token was issued to another client, the request is refused and the client is informed. oidc-provider says 200 and does nothing.',
  },
  {
    what: 'something that looks like a JWT and is none',
    when: all(any('a token in pieces'), (_, __, there) => there.error === 'unsupported_token_type'),
    why: 'RFC 7662 §2.2, RFC 7009 §2.2: what is no token is not active, and as good as revoked. Access tokens of oidc-provider are opaque here, so it refuses the kind.',
  },
]
