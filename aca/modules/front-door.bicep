// Front Door with a web application firewall. It reaches the environment by private link, so nobody can go around it;
// scripts/deploy_aca approves the link.

@description('Region of the environment.')
param location string
@description('Prefix of the names.')
param name string
@description('Host name of the gateway.')
param originHost string
@description('Environment of the gateway.')
param environmentId string
@description('Host name of your own; empty for none.')
param customDomain string

var hasDomain = !empty(customDomain)

resource firewall 'Microsoft.Network/FrontDoorWebApplicationFirewallPolicies@2025-10-01' = {
  name: '${replace(name, '-', '')}waf'
  location: 'Global'
  sku: {
    name: 'Premium_AzureFrontDoor'
  }
  properties: {
    policySettings: {
      enabledState: 'Enabled'
      mode: 'Prevention'
      // Bodies are JSON with the arguments of tools: code and SQL in them are no attacks on the gateway.
      requestBodyCheck: 'Disabled'
    }
    customRules: {
      rules: [
        {
          name: 'tooManyRequests'
          priority: 100
          ruleType: 'RateLimitRule'
          rateLimitDurationInMinutes: 1
          rateLimitThreshold: 6000
          action: 'Block'
          matchConditions: [
            {
              matchVariable: 'RequestUri'
              operator: 'Any'
              matchValue: []
            }
          ]
        }
      ]
    }
    managedRules: {
      managedRuleSets: [
        {
          ruleSetType: 'Microsoft_BotManagerRuleSet'
          ruleSetVersion: '1.1'
        }
      ]
    }
  }
}

resource profile 'Microsoft.Cdn/profiles@2025-12-01' = {
  name: '${name}-front'
  location: 'global'
  sku: {
    name: 'Premium_AzureFrontDoor'
  }
  properties: {
    // Seconds in which the gateway must begin to answer, and that a stream may be silent: the most that Azure takes.
    originResponseTimeoutSeconds: 240
  }

  resource endpoint 'afdEndpoints' = {
    name: name
    location: 'global'
    properties: {
      enabledState: 'Enabled'
    }
  }

  resource domain 'customDomains' = if (hasDomain) {
    name: 'domain'
    properties: {
      hostName: customDomain
      tlsSettings: {
        certificateType: 'ManagedCertificate'
        minimumTlsVersion: 'TLS12'
      }
    }
  }

  resource group 'originGroups' = {
    name: 'gateways'
    properties: {
      loadBalancingSettings: {
        sampleSize: 4
        successfulSamplesRequired: 2
      }
      // No probe: there is one origin, so there is no other to turn to.
    }

    resource origin 'origins' = {
      name: 'environment'
      properties: {
        hostName: originHost
        // The gateway and the environment know it by this name.
        originHostHeader: originHost
        httpsPort: 443
        enforceCertificateNameCheck: true
        sharedPrivateLinkResource: {
          privateLink: {
            id: environmentId
          }
          groupId: 'managedEnvironments'
          privateLinkLocation: location
          requestMessage: 'Front Door of ${name}'
        }
      }
    }
  }

  resource security 'securityPolicies' = {
    name: 'firewall'
    properties: {
      parameters: {
        type: 'WebApplicationFirewall'
        wafPolicy: {
          id: firewall.id
        }
        associations: [
          {
            patternsToMatch: ['/*']
            domains: concat([
              {
                id: endpoint.id
              }
            ], hasDomain ? [
              {
                id: domain.id
              }
            ] : [])
          }
        ]
      }
    }
  }
}

resource route 'Microsoft.Cdn/profiles/afdEndpoints/routes@2025-12-01' = {
  parent: profile::endpoint
  name: 'all'
  properties: {
    originGroup: {
      id: profile::group.id
    }
    customDomains: hasDomain ? [
      {
        id: profile::domain.id
      }
    ] : []
    supportedProtocols: ['Https']
    httpsRedirect: 'Disabled'
    forwardingProtocol: 'HttpsOnly'
    linkToDefaultDomain: 'Enabled'
    // The endpoint, the metadata that tells clients where to get a token, and the façade. Probes stay inside.
    patternsToMatch: ['/mcp', '/.well-known/*', '/oauth/*']
    // No caching: cacheConfiguration is left out.
  }
  // A route needs an origin in its group.
  dependsOn: [profile::group::origin]
}

@description('Host name that clients use.')
output host string = hasDomain ? customDomain : profile::endpoint.properties.hostName
@description('Host name that Azure gives it.')
output azureHost string = profile::endpoint.properties.hostName
@description('What proves to Azure whose the custom domain is; empty without one.')
output domainVerification string = hasDomain ? profile::domain.properties.validationProperties.validationToken : ''
